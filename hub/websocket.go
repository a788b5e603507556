package hub

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
)

const (
	// A viewer is pinged every pingTime, more or less by pingJitter, so that
	// thousands that came at once don't stay in step, and has pongTime to answer.
	pingTime   = 25 * time.Second
	pingJitter = 5 * time.Second
	pongTime   = 10 * time.Second
	// A pong stands in line behind the output. Where this much was sent since the
	// ping, a late one says nothing; a dead viewer would have stalled. It is asked only
	// where nobody knows how far the ping has come.
	pongBytes = 1 << 20
	// behindBytes before a ping may take seconds. Less has often just not been
	// acknowledged yet.
	behindBytes = 64 << 10

	// giveUpTime is how long a stalled viewer may take to wake for its close frame.
	giveUpTime = 3 * time.Second
	// readLimit is the most that is read of a message before it is refused.
	readLimit = 1 << 10
)

// A viewer is a WebSocket that follows the stream.
type viewer struct {
	// What the crowd uses each time comes first, in as few cache lines as there can be:
	// those of thousands are in no cache.
	hub      *Hub       // of the stream that it follows, if it does
	member   membership // in the crowd
	cursor   broadcaster.Cursor
	wire     wire
	nextPing time.Time
	pongBy   time.Time    // zero when no pong is due
	sent     int64        // bytes of output, ever
	count    atomic.Int64 // the visit's sent
	window   int          // output that it has deflated, without a gap, in bytes
	takeover takeover
	v1       bool
	midLine  bool // the last byte was no newline

	session     *Session
	gap         *broadcaster.Start // where the cursor is now, if that is still to be told
	size        broadcaster.Resize // last told
	sentCount   int                // number of viewers last told
	text        plaintext.Decoder  // of a plain viewer
	sentAtPing  int64              // sent when the last ping was
	pings       chan []byte        // of the viewer's, to be answered
	pong        chan struct{}
	acked       int64 // bytes that its system had acknowledged when that was last looked at
	pingEnd     int64 // and those with which it has the last ping
	ackedBehind bool  // it had not at that look, for what was before it

	ws           *websocket.Conn
	keepOpen     func() bool     // it is not to be cut off any more
	countChanged <-chan struct{} // closed when there is another number of viewers to tell
	left         chan struct{}   // closed when it has left, or speaks
	leftPool     bool            // of the crowd, by read
	spoke        bool            // to be read when left is closed
}

// ServeWebSocket follows the stream until it ends, the viewer leaves, stalls or
// speaks, or the server is shut down. It may return before, as the crowd goes on with
// the viewer.
func (s *Sessions) ServeWebSocket(w http.ResponseWriter, visit *Session, f *Hub, j Join) bool {
	v := s.upgradeInTurn(w, visit, j.Deflate)
	if v == nil {
		visit.End(Left)
		return false
	}
	v.hub = f
	f.audience.add(1)
	if out := v.sendHello(j.Position); out != Following {
		v.leave(out)
	} else {
		v.run()
	}
	return true
}

// upgradeInTurn upgrades few at once: when thousands come, who is here would wait until
// all that could run have run. 1,000 delayed live output by 140 ms, so it is 77. But whose
// socket may be full of other answers has no turn, in which it could wait.
func (s *Sessions) upgradeInTurn(w http.ResponseWriter, visit *Session, deflate bool) *viewer {
	if c, ok := visit.request.Context().Value(connection{}).(sender); ok {
		if _, queued, ok := c.delivered(); ok && queued == 0 {
			s.upgrades <- struct{}{}
			defer func() { <-s.upgrades }()
		}
	}
	return s.upgrade(w, visit, deflate)
}

// run follows the stream until all was sent, and leaves the viewer to the crowd, or
// until one of the ends.
func (v *viewer) run() {
	if out := v.follow(); out != pooled {
		v.leave(out)
	}
}

// leave ends what serveWebSocket began.
func (v *viewer) leave(out Outcome) {
	v.hub.audience.add(-1)
	out = v.end(out)
	if n, _ := v.hub.audience.count(); n == 0 {
		v.hub.deflated.clear()
		v.hub.frames.clear()
	}
	v.session.End(out)
}

// upgrade makes a viewer of a request, which is to be ended by end. It starts one
// goroutine, which reads. It returns nil where the request was none.
func (s *Sessions) upgrade(w http.ResponseWriter, visit *Session, deflate bool) *viewer {
	v := &viewer{session: visit, left: make(chan struct{}), pong: make(chan struct{}, 1), pings: make(chan []byte, 1)}
	h := &hijacker{w, &v.wire}
	compression := websocket.CompressionDisabled
	if deflate && s.o.Deflate {
		compression = websocket.CompressionContextTakeover
	}
	c, err := accept(h, visit.request, &websocket.AcceptOptions{
		Subprotocols:       []string{protocol.Subprotocol},
		InsecureSkipVerify: true, // of the origin: the guard has looked
		CompressionMode:    compression,
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
			v.enqueue()
			return false
		},
	})
	if err != nil {
		return nil // Accept has answered
	}
	v.ws, v.v1 = c, strings.EqualFold(c.Subprotocol(), protocol.Subprotocol)
	v.wire.closing = func() {
		if v.member.close() {
			v.leftPool = true
		}
	}
	v.keepOpen = context.AfterFunc(s.stop, func() { v.wire.Close() })
	v.takeover = takeoverOf(w.Header().Get("Sec-WebSocket-Extensions"))
	visit.sent = &v.count
	visit.Begin(formOf(v.v1))
	visit.request = nil // a viewer in the crowd needs no more of it
	c.SetReadLimit(readLimit)
	go v.read()
	return v
}

// read reads until the viewer leaves, or speaks. It is not CloseRead, which takes 15 s
// to close one that speaks.
func (v *viewer) read() {
	if _, _, err := v.ws.Reader(context.Background()); err == nil {
		v.spoke = true
		// Close waits for the rest of the message, which may never come.
		v.wire.SetReadDeadline(time.Now().Add(giveUpTime))
		v.ws.Close(websocket.StatusPolicyViolation, "viewers can only read")
	}
	v.ws.CloseNow()
	close(v.left)
	if v.member.leave() || v.leftPool {
		v.leave(Left)
	}
}

// linger waits until the viewer has what was sent, for as long as it takes some of it
// at least every stallTime. coder/websocket would wait 5 s and then close the connection,
// which drops what is still on its way to one that sends anything, as a ping.
func (v *viewer) linger() {
	if v.wire.flush() != Following {
		return
	}
	look := time.NewTimer(0)
	defer look.Stop()
	var last int64
	for since, pause := time.Now(), time.Millisecond; ; pause = min(2*pause, lookTime) {
		select {
		case payload := <-v.pings:
			v.wire.frame(protocol.OpPong, payload)
			continue
		case <-v.left:
			return
		case <-look.C:
		}
		acked, queued, ok := v.wire.delivered()
		if acked > last {
			last, since = acked, time.Now()
		}
		if !ok || queued == 0 || time.Since(since) >= stallTime {
			return
		}
		look.Reset(pause)
	}
}

// end closes the connection, and returns the outcome of the session: a viewer that has sent
// a message may have ended it in other ways, too.
func (v *viewer) end(out Outcome) Outcome {
	switch out {
	case Ended:
		v.linger()
		v.ws.Close(websocket.StatusNormalClosure, out.String())
	case Stopping:
		v.linger()
		v.ws.Close(websocket.StatusGoingAway, out.String())
	case Stalled:
		if v.wire.giveUp(giveUpTime) {
			select {
			case <-v.left:
			case <-time.After(giveUpTime):
			}
		}
	case closing:
		// coder/websocket is in a close handshake, for one that left or spoke.
		<-v.left
	}
	v.ws.CloseNow()
	<-v.left
	v.keepOpen()
	if v.spoke {
		return Spoke
	}
	return out
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
