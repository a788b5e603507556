package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
)

const (
	subprotocol = "wsrun.v1"

	// A viewer is pinged every pingTime, more or less by pingJitter, so that
	// thousands that came at once don't stay in step, and has pongTime to answer.
	pingTime   = 25 * time.Second
	pingJitter = 5 * time.Second
	pongTime   = 10 * time.Second
	// A pong stands in line behind the output. Where this much was sent since the
	// ping, a late one says nothing; a dead viewer would have stalled.
	pongBytes = 1 << 20

	// giveUpTime is how long a stalled viewer may take to wake for its close frame.
	giveUpTime = 3 * time.Second
	// readLimit is the most that is read of a message before it is refused.
	readLimit = 1 << 10
)

// A viewer is a WebSocket that follows the stream.
type viewer struct {
	f      *feed
	visit  *visit
	v1     bool
	wire   *wire
	left   chan struct{} // closed when it has left, or speaks
	spoke  bool          // to be read when left is closed
	cursor *broadcaster.Cursor
	size   broadcaster.Resize // last told
	told   int                // number of viewers last told
	change <-chan struct{}    // closed when there is another to tell
	text   utf8Text           // of a plain viewer
	within bool               // the last byte was no newline

	pong     chan struct{}
	pings    chan []byte // of the viewer's, to be answered
	nextPing time.Time
	pongBy   time.Time // zero when no pong is due
	sent     int64     // bytes of output, ever
	sentThen int64     // when the last ping was sent
}

// serveWebSocket follows the stream until it ends, the viewer leaves, stalls or
// speaks, or the server is shut down.
func (s *Server) serveWebSocket(w http.ResponseWriter, visit *visit, f *feed, q query) {
	s.withViewer(w, visit, func(v *viewer) error {
		v.f = f
		f.audience.add(1)
		defer f.audience.add(-1)
		if err := v.hello(q); err != nil {
			return err
		}
		err := v.follow()
		if errors.Is(err, io.EOF) && f.Stream.Stats().Exit == nil {
			return errStopping
		}
		return err
	})
}

// errStopping says that the stream ends before its source.
var errStopping = errors.New("wsrun stops")

// withViewer upgrades the connection and lets send write to it; io.EOF from that
// means that all was sent. It starts one goroutine, which reads, and waits for it.
func (s *Server) withViewer(w http.ResponseWriter, visit *visit, send func(*viewer) error) {
	v := &viewer{visit: visit, left: make(chan struct{}), pong: make(chan struct{}, 1), pings: make(chan []byte, 1)}
	h := &hijacker{ResponseWriter: w}
	c, err := accept(h, visit.r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // of the origin: the guard has looked
		CompressionMode:    websocket.CompressionDisabled,
		OnPongReceived: func(context.Context, []byte) {
			select {
			case v.pong <- struct{}{}:
			default:
			}
		},
		// Answered between frames: coder/websocket would give up after 5 s, and with
		// that drop viewers that are slow. Only the last ping needs an answer (RFC
		// 6455, section 5.5.3).
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			select {
			case <-v.pings:
			default:
			}
			v.pings <- bytes.Clone(payload)
			return false
		},
	})
	if err != nil {
		return // Accept has answered
	}
	defer context.AfterFunc(s.stop, func() { h.wire.Close() })()
	v.wire, v.v1 = h.wire, strings.EqualFold(c.Subprotocol(), subprotocol)
	visit.begin(kindOf(v.v1))
	c.SetReadLimit(readLimit)
	go func() { // not CloseRead, which takes 15 s to close one that speaks
		defer close(v.left)
		if _, _, err := c.Reader(context.Background()); err == nil {
			v.spoke = true
			// Close waits for the rest of the message, which may never come.
			h.wire.SetReadDeadline(time.Now().Add(giveUpTime))
			c.Close(websocket.StatusPolicyViolation, "viewers can only read")
		}
		c.CloseNow()
	}()
	defer func() {
		c.CloseNow()
		<-v.left
		if v.spoke {
			visit.err = errSpoke
		}
	}()

	err = send(v)
	visit.err = err
	switch {
	case errors.Is(err, io.EOF):
		c.Close(websocket.StatusNormalClosure, "the stream ended")
	case errors.Is(err, errStopping):
		c.Close(websocket.StatusGoingAway, err.Error())
	case errors.Is(err, errStalled):
		if v.wire.giveUp(giveUpTime) == nil {
			select {
			case <-v.left:
			case <-time.After(giveUpTime):
			}
		}
	case errors.Is(err, errWireClose):
		// coder/websocket is in a close handshake, for one that left or spoke.
		<-v.left
	}
}

var errHandshake = errors.New("a WebSocket's handshake has one version and no body")

// accept is [websocket.Accept], which would take a body for frames, and the first of
// several versions.
func accept(w http.ResponseWriter, r *http.Request, o *websocket.AcceptOptions) (*websocket.Conn, error) {
	if r.Body != http.NoBody || len(r.Header.Values("Sec-WebSocket-Version")) > 1 {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, errHandshake.Error(), http.StatusBadRequest)
		return nil, errHandshake
	}
	return websocket.Accept(w, r, o)
}

// hello takes a cursor and, for wsrun.v1, sends the hello event.
func (v *viewer) hello(q query) error {
	cursor, start, opening := v.f.late.open(q)
	v.cursor, v.size = cursor, opening.size
	v.nextPing = time.Now().Add(untilPing())
	if !v.v1 {
		return v.message(v.text.append(opening.prelude))
	}
	f := v.f
	v.told, v.change = v.f.audience.count()
	return v.place(helloEvent{
		Event: "hello", Epoch: f.Stream.Epoch(), Offset: start.Offset, Line: start.Line, End: start.End, Resumed: start.Resumed, Kept: opening.kept,
		Times: times(start.Stamps), Title: f.Title, Command: append([]string{}, f.Command...),
		Started: f.Started.UnixMilli(), Now: time.Now().UnixMilli(),
		Cols: start.Size.Cols, Rows: start.Size.Rows,
		State: stateOf(f.Stream.Stats()), Viewers: v.told, LF: f.lf, Exact: f.exact.Load(),
	}, opening.quoted)
}

// follow sends what comes. The error is [io.EOF] at the stream's end, nil when
// the viewer has left.
func (v *viewer) follow() error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		item, wait, err := v.cursor.Poll()
		if err == nil && wait == nil {
			err = v.item(item)
		}
		if err == io.EOF {
			err = errors.Join(v.message(v.text.flush()), io.EOF)
		}
		if err != nil {
			return err
		}
		if err := v.heartbeat(); err != nil {
			return err
		}
		if wait == nil {
			continue
		}
		next := v.nextPing
		if !v.pongBy.IsZero() && v.pongBy.Before(next) {
			next = v.pongBy
		}
		timer.Reset(time.Until(next))
		select {
		case <-wait:
		case <-v.change:
			var n int
			n, v.change = v.f.audience.count()
			if err := v.viewers(n); err != nil {
				return err
			}
		case <-timer.C:
		case <-v.pong:
			v.pongBy = time.Time{}
		case payload := <-v.pings:
			if err := v.wire.frame(opPong, payload); err != nil {
				return err
			}
		case <-v.left:
			return nil
		}
	}
}

// item sends what the cursor gave.
func (v *viewer) item(item broadcaster.Item) error {
	switch {
	case item.Reset != nil:
		v.visit.resets.Add(1)
		return v.gap(*item.Reset)
	case item.Event != nil:
		switch e := item.Event.(type) {
		case broadcaster.Resize:
			return v.resize(e)
		case broadcaster.Exit:
			return v.event(newExitEvent(e))
		case FileEvent:
			if !v.v1 && v.within {
				return v.output([]byte("\n")) // what follows is another line
			}
			return v.event(newFileEvent(e))
		}
		return nil
	}
	return v.output(item.Data)
}

// gap goes on at another place, for the cursor fell out of the ring.
func (v *viewer) gap(at broadcaster.Start) error {
	if !v.v1 { // it can't be told
		v.size = at.Size
		return v.message(v.text.flush())
	}
	cursor, start, opening := v.f.late.reopen(at)
	v.cursor = cursor
	e := newResetEvent(start)
	e.Kept = opening.kept
	return errors.Join(v.resize(opening.size), v.place(e, opening.quoted))
}

// output sends output.
func (v *viewer) output(p []byte) error {
	v.sent += int64(len(p))
	v.within = len(p) > 0 && p[len(p)-1] != '\n'
	if v.v1 {
		return v.data(opBinary, p)
	}
	return v.message(v.text.append(p))
}

// message sends text to a plain viewer.
func (v *viewer) message(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	return v.data(opText, text)
}

// event sends an event; a plain viewer gets none.
func (v *viewer) event(e any) error {
	if !v.v1 {
		return nil
	}
	return v.data(opText, encode(e))
}

// data sends a message and counts it.
func (v *viewer) data(opcode byte, payload ...[]byte) error {
	err := v.wire.frame(opcode, payload...)
	if err == nil {
		v.visit.sent.Add(int64(sizeOf(payload)))
	}
	return err
}

// place sends an event that places the viewer in the stream.
func (v *viewer) place(e any, prelude []byte) error {
	if !v.v1 {
		return nil
	}
	return v.data(opText, withPrelude(e, prelude)...)
}

func (v *viewer) resize(size broadcaster.Resize) error {
	if size == v.size {
		return nil
	}
	v.size = size
	return v.event(newResizeEvent(size))
}

func (v *viewer) viewers(n int) error {
	if n == v.told {
		return nil
	}
	v.told = n
	return v.event(viewersEvent{"viewers", n})
}

// heartbeat answers pings and sends one when it is time to. Of a viewer that is taken
// for dead the error is errSilent.
func (v *viewer) heartbeat() error {
	select {
	case payload := <-v.pings:
		if err := v.wire.frame(opPong, payload); err != nil {
			return err
		}
	default:
	}
	now := time.Now()
	if !v.pongBy.IsZero() && !now.Before(v.pongBy) {
		select {
		case <-v.pong:
		default:
			if v.sent-v.sentThen < pongBytes {
				return errSilent
			}
		}
		v.pongBy = time.Time{}
	}
	if now.Before(v.nextPing) {
		return nil
	}
	v.nextPing = now.Add(untilPing())
	v.pongBy = now.Add(pongTime)
	v.sentThen = v.sent
	return errors.Join(v.event(pingEvent{"ping"}), v.wire.frame(opPing, nil))
}

func untilPing() time.Duration {
	return pingTime - pingJitter + rand.N(2*pingJitter)
}
