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
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/coder/websocket"

	"wsrun/internal/protocol"
)

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
	conn   *connection   // replaced by Redial
	closed chan struct{} // closed by Close
}

// Dial connects to the stream at a URL, of the scheme ws, wss, http or https. It does not
// retry. ctx is for the handshake alone, which may take 30 s. If the server answers with
// another status than 101, the error is a [RefusedError]. The caller must call Close.
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

// New returns a viewer of a WebSocket that the caller has opened and not read from: a
// viewer of wsrun.v1 if that is the subprotocol, otherwise a plain one. The WebSocket
// belongs to the viewer from then on. The viewer can't Redial, and never returns
// [ErrSilent]. The caller must call Close.
func New(c *websocket.Conn) *Viewer {
	c.SetReadLimit(maxMessage)
	return &Viewer{plain: c.Subprotocol() == "", conn: &connection{Conn: c}, closed: make(chan struct{})}
}

// dial connects once, and resumes at the position if that is known.
func (v *Viewer) dial(ctx context.Context) error {
	u := *v.url
	if v.position.Epoch != "" && !v.plain {
		q := u.Query()
		q.Del("from") // the position comes instead
		q.Del("at")
		q.Set("epoch", v.position.Epoch)
		q.Set("offset", strconv.FormatInt(v.position.Offset, 10))
		u.RawQuery = q.Encode()
	}
	c, err := connect(ctx, &u, v.options)
	if err != nil {
		return err
	}
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

// Position returns where the viewer is: behind the last message that Next returned. Before
// the first hello, and for a plain viewer, it is [Options].Position.
func (v *Viewer) Position() Position { return v.position }

// Next returns the next message. With wsrun.v1, the first message on each connection is a
// [protocol.HelloEvent]. Pings and unknown events are messages, too.
//
// After an error the connection is closed, and Next returns the same error until
// [Viewer.Redial] succeeds. The error is a [CloseError] if the server closed the
// connection, [ErrSilent] if it sent nothing for 60 s, ctx's error if ctx is done, and
// [net.ErrClosed] after Close. It is [Final] if the server violated the protocol. Any
// other error means that the connection was lost.
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

// Ping sends a ping and waits for the answer, which another goroutine must read by calling
// Next. After an error the connection is closed.
func (v *Viewer) Ping(ctx context.Context) error {
	if err := v.current().Conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping the server: %w", err)
	}
	return nil
}

// Close ends the viewer for good. It closes the connection at once, without a closing
// handshake, which wsrun doesn't need to see that a viewer has left. A Next that waits
// returns [net.ErrClosed], and so does a Redial once its handshake is over. Close may be
// called more than once.
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
