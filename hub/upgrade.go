package hub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"wsrun/internal/protocol"
)

// controlFrame is the size of the largest control frame with its mask, in bytes. It is the size of
// coder/websocket's buffers: coder/websocket writes nothing but control frames here, and must not
// split them.
const controlFrame = 6 + 125

// upgradeInTurn is upgrade, but a few at a time. If thousands of viewers connect at once, the output
// of earlier viewers would wait until all upgrades have run (docs/facts.md, hub). A connection whose
// socket may be full of earlier responses gets no turn, since it could block in its turn.
func (s *Sessions) upgradeInTurn(w http.ResponseWriter, session *Session, deflate bool) *viewer {
	if c, ok := session.request.Context().Value(connection{}).(sender); ok {
		if _, queued, ok := c.delivered(); ok && queued == 0 {
			s.upgrades <- struct{}{}
			defer func() { <-s.upgrades }()
		}
	}
	return s.upgrade(w, session, deflate)
}

// upgrade makes a viewer of a session's request, and the session a viewer. It starts the goroutine in
// read. The caller must call end, which waits for it. If the handshake fails, upgrade answers the
// request, ends the session and returns nil.
func (s *Sessions) upgrade(w http.ResponseWriter, session *Session, deflate bool) (upgraded *viewer) {
	v := &viewer{session: session, left: make(chan struct{}), pong: make(chan struct{}, 1), pings: make(chan []byte, 1)}
	defer func() {
		if upgraded != nil {
			return
		}
		session.End(Left)
		if v.wire.sender != nil {
			v.wire.Close() // net/http doesn't close what was hijacked
		}
	}()
	c, err := accept(&hijacker{w, &v.wire, s.o.Panics}, session.request, v.acceptOptions(deflate && s.o.Deflate))
	if err != nil {
		return nil
	}
	v.ws, v.v1 = c, strings.EqualFold(c.Subprotocol(), protocol.Subprotocol)
	v.wire.closing = func() {
		if v.member.close() {
			v.leftPool = true
		}
	}
	v.keepOpen = context.AfterFunc(s.stop, func() {
		defer s.o.Panics.Contain("cut off a viewer", func() { v.wire.Close() })
		v.wire.Close()
	})
	v.takeover = takeoverOf(w.Header().Get("Sec-WebSocket-Extensions"))
	session.sent = &v.count
	session.Begin(formOf(v.v1))
	session.request = nil // frees its memory while the viewer is in the writer pool
	c.SetReadLimit(readLimit)
	go v.read()
	return v
}

// acceptOptions returns the options for the viewer's handshake. The reader calls their functions.
func (v *viewer) acceptOptions(deflate bool) *websocket.AcceptOptions {
	compression := websocket.CompressionDisabled
	if deflate {
		compression = websocket.CompressionContextTakeover
	}
	return &websocket.AcceptOptions{
		Subprotocols:       []string{protocol.Subprotocol},
		InsecureSkipVerify: true, // internal/access has checked the origin
		CompressionMode:    compression,
		OnPongReceived: func(context.Context, []byte) {
			select {
			case v.pong <- struct{}{}:
			default:
			}
		},
		// Pings are answered between frames of output. coder/websocket would give up after 5 s,
		// and drop slow viewers. Only the last ping needs an answer (RFC 6455, section 5.5.3).
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			select {
			case <-v.pings:
			default:
			}
			v.pings <- bytes.Clone(payload)
			v.enqueue()
			return false
		},
	}
}

// TurnAway refuses a WebSocket with why, for example because there is no slot. It accepts the upgrade
// and closes with status 1013, since a page can't see why an upgrade fails. It calls accepted after
// the handshake, before the client can learn that it was refused. If the handshake is bad, it answers
// the request with an error's status.
func (s *Sessions) TurnAway(w http.ResponseWriter, r *http.Request, why error, accepted func()) {
	s.viewers.Add(1)
	defer s.viewers.Done()
	c, err := accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{protocol.Subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return // accept has responded
	}
	cut := func() { c.CloseNow() }
	defer s.o.Panics.Contain("turn a viewer away", cut)
	defer context.AfterFunc(s.stop, func() {
		defer s.o.Panics.Contain("cut off a viewer", cut)
		c.CloseNow()
	})()
	accepted()
	c.SetReadLimit(readLimit)
	c.Close(websocket.StatusTryAgainLater, why.Error())
}

var errHandshake = errors.New("a WebSocket's handshake has one version and no body")

// accept is [websocket.Accept], but refuses a request with a body or with several versions:
// websocket.Accept takes a body for frames, and looks only at the first version.
func accept(w http.ResponseWriter, r *http.Request, o *websocket.AcceptOptions) (*websocket.Conn, error) {
	if r.Body != http.NoBody || len(r.Header.Values("Sec-WebSocket-Version")) > 1 {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, errHandshake.Error(), http.StatusBadRequest)
		return nil, errHandshake
	}
	return websocket.Accept(w, r, o)
}

// A hijacker makes coder/websocket use a wire on top of the request's connection.
type hijacker struct {
	http.ResponseWriter
	wire   *wire // its sender is set by Hijack
	panics *Panics
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire.sender = senderOf(c)
	below, reader := lowerWire{h.wire, h.panics}, rw.Reader
	if reader.Buffered() == 0 { // so a small buffer does, which thousands of viewers can afford
		reader = bufio.NewReaderSize(below, controlFrame)
	}
	return below, bufio.NewReadWriter(reader, bufio.NewWriterSize(below, controlFrame)), nil
}

// A lowerWire is a wire as coder/websocket sees it. No panic of a wire may pass through coder/websocket:
// in the middle of its closing handshake, its CloseNow would wait instead of closing the connection.
type lowerWire struct {
	*wire
	panics *Panics
}

// Write implements [net.Conn]. A panic closes the connection.
func (w lowerWire) Write(p []byte) (written int, failure error) {
	defer w.panics.Contain("write to a connection", func() {
		written, failure = 0, net.ErrClosed
		w.Close()
	})
	return w.wire.Write(p)
}

// Unwrap lets [http.ResponseController] find the underlying writer.
func (h *hijacker) Unwrap() http.ResponseWriter { return h.ResponseWriter }
