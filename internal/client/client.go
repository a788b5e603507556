// Package client is a viewer in Go: it dials a stream, decodes what the server sends, and
// resumes where a lost connection broke off.
//
//	v, err := client.Dial(ctx, "ws://localhost:9000/", client.Options{})
//	…
//	defer v.Close()
//	for {
//		m, err := v.Next(ctx)
//		if err != nil {
//			if err = v.Redial(ctx); err != nil {
//				return err // the stream has ended, or is lost for good
//			}
//			continue // the next message is a hello
//		}
//		switch e := m.Event.(type) {
//		case nil:
//			os.Stdout.Write(m.Payload)
//		case protocol.HelloEvent:
//			…
//		}
//	}
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
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

// errNoAddress is the error of Redial for a viewer of New.
var errNoAddress = errors.New("this viewer can't dial: it was made of a WebSocket")

// Options describes a viewer. The zero value is one of wsrun.v1 that begins as its URL says.
type Options struct {
	Header      http.Header               // of the handshake, for example Authorization; may be nil
	HTTPClient  *http.Client              // nil is [http.DefaultClient]
	Compression websocket.CompressionMode // to offer; the zero value offers none
	Plain       bool                      // be a plain viewer: text without events, which can't resume
	Position    Position                  // where to resume; the zero value is nowhere
}

// A Viewer is a WebSocket that follows a stream, or several in turn, one after each
// [Viewer.Redial]. One goroutine at a time may call Next, Position and Redial; Ping and
// Close may be called at any time.
type Viewer struct {
	url      *url.URL // nil if Redial is impossible
	options  Options
	plain    bool
	greeted  bool // the hello has come
	position Position
	attempt  int   // of dialing since the last hello
	err      error // of the last Next or dial; nil while connected

	mu     sync.Mutex
	conn   *connection // replaced by Redial
	closed chan struct{}
}

// A connection is a WebSocket that is closed when the server is silent.
type connection struct {
	*websocket.Conn
	silence *time.Timer // runs while something is waited for; nil if silence is not noticed
	silent  atomic.Bool
}

// Dial connects to the stream at a URL, of the scheme ws, wss, http or https. It does not
// retry. ctx is for the handshake alone, which has 30 s at most. A server that answers with
// anything but a WebSocket is a [RefusedError]. The caller must call Close.
func Dial(ctx context.Context, address string, o Options) (*Viewer, error) {
	u, err := url.Parse(address)
	if err != nil { // without the URL, which may hold a token
		return nil, fmt.Errorf("parse the URL: %w", err.(*url.Error).Err)
	}
	if !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) {
		return nil, fmt.Errorf("parse the URL: the scheme is %q: expected ws, wss, http or https", u.Scheme)
	}
	v := &Viewer{url: u, options: o, plain: o.Plain, position: o.Position, closed: make(chan struct{})}
	if err := v.dial(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

// New returns a viewer of a WebSocket that the caller has opened and read nothing of, of
// wsrun.v1 if that is its subprotocol, else a plain one. The viewer owns it from then on. It
// can't Redial, and does not notice that the server is silent.
func New(c *websocket.Conn) *Viewer {
	c.SetReadLimit(maxMessage)
	return &Viewer{plain: c.Subprotocol() == "", conn: &connection{Conn: c}, closed: make(chan struct{})}
}

// dial connects once, and resumes at the position if that is known.
func (v *Viewer) dial(ctx context.Context) error {
	u := *v.url
	if query := v.position.Query(); query != "" && !v.plain {
		q := u.Query()
		q.Set("epoch", v.position.Epoch)
		q.Set("offset", fmt.Sprint(v.position.Offset))
		u.RawQuery = q.Encode()
	}
	c := &connection{}
	c.silence = time.AfterFunc(silentTime, func() {
		c.silent.Store(true)
		c.CloseNow()
	})
	c.silence.Stop()
	o := websocket.DialOptions{
		HTTPClient: v.options.HTTPClient, HTTPHeader: v.options.Header, CompressionMode: v.options.Compression,
		OnPingReceived: func(context.Context, []byte) bool {
			c.silence.Reset(silentTime)
			return true
		},
	}
	if !v.plain {
		o.Subprotocols = []string{protocol.Subprotocol}
	}
	handshake, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conn, resp, err := websocket.Dial(handshake, u.String(), &o)
	if err != nil && handshake.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("connect to %s: no answer within %v", u.Host, handshakeTime)
	}
	if err != nil {
		return refusal(u.Host, resp, err)
	}
	if !v.plain && conn.Subprotocol() == "" {
		conn.CloseNow()
		return protocolError("the server does not speak " + protocol.Subprotocol)
	}
	conn.SetReadLimit(maxMessage)
	c.Conn = conn
	v.greeted = false
	return v.use(c)
}

// use makes c the viewer's connection.
func (v *Viewer) use(c *connection) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.closed:
		c.CloseNow()
		return net.ErrClosed
	default:
	}
	v.conn = c
	return nil
}

// current returns the viewer's connection.
func (v *Viewer) current() *connection {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.conn
}

// Position returns where the viewer is: behind the last message of Next. Before the first
// hello that is [Options].Position, and for a plain viewer always.
func (v *Viewer) Position() Position { return v.position }

// Next returns the next message. Of wsrun.v1 the first one on each connection is a
// [protocol.HelloEvent]; pings and events that are unknown are returned, too.
//
// After an error the connection is closed, and Next returns that error again until
// [Viewer.Redial] succeeds.
// If the server closed it, the error is a [CloseError]; if it violated wsrun.v1, one for
// which [Final] reports true; if it was silent for 60 s, [ErrSilent]; if ctx is done, ctx's
// error; after Close, [net.ErrClosed]. Any other error means that the connection was lost.
func (v *Viewer) Next(ctx context.Context) (Message, error) {
	if v.err != nil {
		return Message{}, v.err
	}
	c := v.current()
	m, err := v.next(ctx, c)
	if err == nil {
		return m, nil
	}
	c.CloseNow()
	select {
	case <-v.closed:
		err = net.ErrClosed
	default:
	}
	v.err = err
	return Message{}, err
}

func (v *Viewer) next(ctx context.Context, c *connection) (Message, error) {
	kind, payload, err := c.read(ctx)
	if err != nil {
		return Message{}, err
	}
	m := Message{Payload: payload}
	if v.plain {
		if kind != websocket.MessageText {
			return Message{}, protocolError("the server sent bytes to a plain viewer")
		}
		v.attempt = 0
		return m, nil
	}
	if kind == websocket.MessageText {
		if m.Event, err = protocol.Decode(payload); err != nil {
			return Message{}, protocolError(err.Error())
		}
	}
	if _, hello := m.Event.(protocol.HelloEvent); hello == v.greeted {
		return Message{}, protocolError("the server did not send one hello, and that first")
	}
	v.greeted, v.attempt = true, 0
	v.position.Pass(m)
	return m, nil
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

// Ping returns once the server has answered a ping. Next must be called meanwhile. An error
// means that the connection is closed.
func (v *Viewer) Ping(ctx context.Context) error {
	if err := v.current().Conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping the server: %w", err)
	}
	return nil
}

// Close ends the connection at once, for good: a Next under way fails, and so does a Redial
// once its handshake is over. wsrun takes a viewer that is gone for one that left: no
// closing handshake is needed. Close may be called more than once.
func (v *Viewer) Close() {
	v.mu.Lock()
	select {
	case <-v.closed:
	default:
		close(v.closed)
	}
	c := v.conn
	v.mu.Unlock()
	c.CloseNow()
}
