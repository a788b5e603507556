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
	// every 30 s. It is counted in steps, so that the server isn't blamed for the time during
	// which this process itself was stopped or suspended.
	silentTime = 60 * time.Second
	silentStep = 5 * time.Second
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
	silence *time.Timer  // of a step; runs while something is waited for; nil if silence is not noticed
	steps   atomic.Int32 // of silence so far
}

// step is called after each step of silence.
func (c *connection) step() {
	if c.steps.Add(1) >= int32(silentTime/silentStep) {
		c.CloseNow()
		return
	}
	c.silence.Reset(silentStep)
}

// alive starts to measure silence anew.
func (c *connection) alive() {
	if c.silence != nil {
		c.steps.Store(0)
		c.silence.Reset(silentStep)
	}
}

// silent reports whether the server has been silent for too long.
func (c *connection) silent() bool { return c.steps.Load() >= int32(silentTime/silentStep) }

// connect opens a WebSocket.
func connect(ctx context.Context, u *url.URL, o Options) (*connection, error) {
	c := &connection{}
	c.silence = time.AfterFunc(silentStep, c.step)
	c.silence.Stop()
	dial := websocket.DialOptions{
		HTTPClient: o.HTTPClient, HTTPHeader: o.Header, CompressionMode: o.Compression,
		OnPingReceived: func(context.Context, []byte) bool {
			c.alive()
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
	if c.silence != nil {
		defer c.silence.Stop()
	}
	c.alive()
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
		c.alive()
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
	case c.silent():
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
