package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"wsrun/internal/protocol"
)

const (
	// handshakeTime is how long the server may take for a handshake. A busy one lets few
	// viewers in at a time.
	handshakeTime = 30 * time.Second
	// silentTime is how long the server may send nothing at all. It sends a ping at least
	// every 30 s.
	silentTime = 60 * time.Second
	// maxMessage is the size of the largest message that is read, in bytes, so that a
	// server can't fill the memory. Output comes in chunks of 64 KiB at most, but a
	// prelude may hold all cells of a large screen.
	maxMessage = 64 << 20
)

// ErrSilent is the error of [Viewer.Next] when the server has sent nothing for so long that
// the connection must be dead.
var ErrSilent = fmt.Errorf("the server has sent nothing for %v", silentTime)

// A connection is a WebSocket that is closed when the server is silent.
type connection struct {
	*websocket.Conn
	silence *time.Timer // runs while something is waited for; nil if silence is not noticed
	silent  atomic.Bool
}

// connect opens a WebSocket.
func connect(ctx context.Context, u *url.URL, o Options) (*connection, error) {
	c := &connection{}
	c.silence = time.AfterFunc(silentTime, func() {
		c.silent.Store(true)
		c.CloseNow()
	})
	c.silence.Stop()
	dial := websocket.DialOptions{
		HTTPClient: o.HTTPClient, HTTPHeader: o.Header, CompressionMode: o.Compression,
		OnPingReceived: func(context.Context, []byte) bool {
			c.silence.Reset(silentTime)
			return true
		},
	}
	if !o.Plain {
		dial.Subprotocols = []string{protocol.Subprotocol}
	}
	handshake, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conn, resp, err := websocket.Dial(handshake, u.String(), &dial)
	switch {
	case err != nil && handshake.Err() != nil && ctx.Err() == nil:
		return nil, fmt.Errorf("connect to %s: no answer within %v", u.Host, handshakeTime)
	case err != nil:
		return nil, refusal(u.Host, resp, err)
	case !o.Plain && conn.Subprotocol() == "":
		conn.CloseNow()
		return nil, protocolError("the server does not speak " + protocol.Subprotocol)
	}
	conn.SetReadLimit(maxMessage)
	c.Conn = conn
	return c, nil
}

// read returns the next message of the WebSocket.
func (c *connection) read(ctx context.Context) (websocket.MessageType, []byte, error) {
	alive := func() {}
	if c.silence != nil {
		alive = func() { c.silence.Reset(silentTime) }
		defer c.silence.Stop()
	}
	alive()
	kind, r, err := c.Reader(ctx)
	if err != nil {
		return 0, nil, c.lost(ctx, err)
	}
	payload := make([]byte, 0, 512)
	for {
		n, err := r.Read(payload[len(payload):cap(payload)])
		payload = payload[:len(payload)+n]
		if err == io.EOF {
			return kind, payload, nil
		}
		if err != nil {
			return 0, nil, c.lost(ctx, err)
		}
		alive()
		if len(payload) == cap(payload) {
			payload = append(payload, 0)[:len(payload)]
		}
	}
}

// lost returns the error of a connection that could not be read any more, after err.
func (c *connection) lost(ctx context.Context, err error) error {
	var closed websocket.CloseError
	var socket *net.OpError
	switch {
	case c.silent.Load():
		return ErrSilent
	case errors.As(err, &closed):
		return CloseError{int(closed.Code), closed.Reason}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, websocket.ErrMessageTooBig):
		return protocolError(fmt.Sprintf("the server sent a message of more than %d MiB", maxMessage>>20))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		err = io.ErrUnexpectedEOF // there was no close frame, or a pong could not be sent
	case errors.As(err, &socket):
		err = socket
	default:
		err = cause(err)
	}
	return fmt.Errorf("read from the server: %w", err)
}
