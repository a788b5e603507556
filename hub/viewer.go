package hub

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
)

// A viewer is a WebSocket that follows a stream. While it is in the writer pool, only a holder of
// member.mu may use it, apart from its channels, wire and member. At other times, one goroutine
// does: the one that serves the request, or one that a writer has started. Its reader, the goroutine
// in read, uses channels, wire and member.
type viewer struct {
	// The first fields are those that a writer uses each time. Keep their order, which puts them in
	// as few cache lines as possible: with thousands of viewers, none of the lines is in a cache
	// (docs/facts.md, hub).
	hub      *Hub       // of the stream that it follows; nil if it gets Content
	member   membership // in the writer pool
	cursor   broadcaster.Cursor
	wire     wire
	nextPing time.Duration // by the awakeClock
	pongBy   time.Duration // by the awakeClock; zero when no pong is due
	sent     int64         // bytes of output so far
	count    atomic.Int64  // bytes of messages so far; the session's sent
	window   int           // bytes of output that the viewer has inflated without a gap
	takeover takeover
	v1       bool
	midLine  bool // the last byte wasn't a newline

	session    *Session
	told       Run                // that the viewer knows it is in
	gap        *broadcaster.Start // a gap before the cursor that the viewer hasn't been told of
	size       broadcaster.Resize // the last size that the viewer was sent
	sentCount  int                // the last number of viewers that the viewer was sent
	text       plaintext.Decoder  // of a plain viewer
	filtered   *filtered          // nil if the viewer gets all output
	sentAtPing int64              // sent at the last ping, or at the last check for a pong
	pings      chan []byte        // the payload of the viewer's last ping, to be answered
	pong       chan struct{}      // an answer to a ping
	acked      int64              // bytes that the viewer's system had acknowledged at the last check
	pingEnd    int64              // acked as of the moment when it includes the last ping
	pingQueued bool               // at the last check, the ping was still behind output

	ws           *websocket.Conn
	keepOpen     func() bool     // stops [Sessions.Cut] from closing the connection
	countChanged <-chan struct{} // closed when the number of viewers is announced again
	left         chan struct{}   // closed when the viewer has left, or sent a message
	leftPool     bool            // its close frame took the viewer out of the writer pool, so read ends the session
	spoke        bool            // the viewer has sent a message; may be read once left is closed
	present      atomic.Bool     // the viewer is in the audience
	parting      atomic.Bool     // leave was called
}

// ServeWebSocket upgrades the request of session to a WebSocket that follows h's stream, from where
// j says, until the stream ends, the viewer leaves, stalls or sends a message, or the server shuts
// down. It ends the session. If the handshake is bad, it answers the request with an error's status.
//
// ServeWebSocket returns before the session ends: a goroutine, and later the hub's writer pool, continue to
// serve the viewer. [Sessions.Wait] waits for all sessions.
func (s *Sessions) ServeWebSocket(w http.ResponseWriter, session *Session, h *Hub, j Join) {
	defer session.endOnPanic()
	Begin(session.request, true) // before the viewer's reader may write, too
	v := s.upgradeInTurn(w, session, j.Deflate)
	if v == nil {
		return
	}
	defer s.o.Panics.Contain("begin to serve a viewer", v.abandon)
	v.hub = h
	if j.Filter != nil {
		v.filtered = &filtered{make: j.Filter}
	}
	v.present.Store(true)
	h.audience.add(1)
	go v.serveFrom(j.Position) // net/http's handler holds much more memory than a goroutine
}

// serveFrom serves the viewer from the position that it asks for.
func (v *viewer) serveFrom(p Position) {
	defer v.panics().Contain("begin to serve a viewer", v.abandon)
	if out := v.sendHello(p); out != Following {
		v.leave(out)
	} else {
		v.run()
	}
}

// run follows the stream until the session ends, or until the writer pool takes over.
func (v *viewer) run() {
	defer v.panics().Contain("serve a viewer", v.abandon)
	if v.filtered != nil {
		defer v.filtered.Close()
	}
	if out := v.follow(); out != pooled {
		v.leave(out)
	}
}

// leave closes the connection and ends the session, after ServeWebSocket has added the viewer to the
// audience. After the first call, leave does nothing.
func (v *viewer) leave(out Outcome) {
	defer v.panics().Contain("part with a viewer", v.cutOff)
	if v.parting.Swap(true) {
		return
	}
	v.uncount()
	v.wire.cork(false)
	out = v.end(out)
	if n, _ := v.hub.audience.count(); n == 0 {
		v.hub.deflated.clear()
		v.hub.frames.clear()
	}
	v.session.End(out)
}

// uncount takes the viewer out of the audience, if it is there.
func (v *viewer) uncount() {
	if v.present.Swap(false) {
		v.hub.audience.add(-1)
	}
}

// abandon makes a viewer leave after a panic, whoever was serving it.
func (v *viewer) abandon() {
	v.member.close()
	v.leave(Left)
}

// cutOff is leave without the parts that may wait. It frees what the viewer has, however far leave has
// come. It may be called more than once.
func (v *viewer) cutOff() {
	v.parting.Store(true)
	defer v.session.End(Left)
	v.uncount()
	v.ws.CloseNow()
	v.keepOpen()
}

// now returns the time by the awakeClock.
func (v *viewer) now() time.Duration { return v.session.sessions.clock.now() }

// panics returns what contains the panics of code that serves the viewer.
func (v *viewer) panics() *Panics { return v.session.sessions.o.Panics }

// historyTime is how long a viewer waits for output that the history is going to have, by the awakeClock. A disk
// that hangs must not take the live output away as well.
const historyTime = 10 * time.Second

// follow sends output as it arrives, until the session ends. If the writer pool takes over, the
// outcome is pooled. It doesn't take over while the viewer is behind the ring.
func (v *viewer) follow() Outcome {
	if out := v.wire.flush(); out != Following {
		return out
	}
	if at := v.gap; at != nil {
		v.gap = nil
		if out := v.sendItem(broadcaster.Item{Reset: at}); out != Following {
			return out
		}
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for skipAt := v.now() + historyTime; ; {
		switch {
		case v.filtered != nil && v.filtered.Done():
			return Ended
		case v.filtered == nil && !v.isDrained() && v.hub.pool.add(v):
			return pooled
		}
		item, wait, err := v.poll()
		now := v.now()
		switch {
		case err != nil:
			return v.sendEnd()
		case v.isDrained():
			return Stopping
		case wait == nil || !v.cursor.Behind():
			skipAt = now + historyTime
		case now >= skipAt:
			item, wait = v.cursor.Skip(), nil
		}
		v.wire.cork(wait == nil && v.filtered == nil && v.cursor.Behind())
		if wait == nil {
			if out := v.sendNext(item); out != Following {
				return out
			}
		}
		if out := v.heartbeat(now); out != Following {
			return out
		}
		if wait == nil {
			continue
		}
		if v.filtered != nil {
			v.filtered.Shrink()
		}
		timer.Reset(max(min(v.nextCheck(), skipAt)-now, awakeTick))
		if out := v.await(wait, timer.C); out != Following {
			return out
		}
	}
}

// poll polls the cursor, in the history if it is behind the ring. A filter needs whole lines: it gives up unfinished ones.
func (v *viewer) poll() (broadcaster.Item, <-chan struct{}, error) {
	if v.filtered != nil {
		if item, wait, err := v.cursor.PollLines(); err != broadcaster.ErrBehind {
			return item, wait, err
		}
	}
	return v.cursor.PollHistory()
}

// sendNext sends an item that the cursor has returned, through the filter if there is one.
func (v *viewer) sendNext(item broadcaster.Item) Outcome {
	if v.filtered != nil {
		return v.sendFiltered(item)
	}
	return v.sendItem(item)
}

// isDrained reports whether the viewer must leave even if it is behind.
func (v *viewer) isDrained() bool {
	select {
	case <-v.session.sessions.drained:
		return true
	default:
		return false
	}
}

// nextCheck returns when the viewer's pings need attention next, by the awakeClock.
func (v *viewer) nextCheck() time.Duration {
	if v.pongBy != 0 {
		return min(v.nextPing, v.pongBy)
	}
	return v.nextPing
}

// await waits until wait is closed, or there is something else to do, and answers the viewer meanwhile.
func (v *viewer) await(wait <-chan struct{}, timer <-chan time.Time) Outcome {
	select {
	case <-wait:
	case <-v.countChanged:
		var n int
		n, v.countChanged = v.hub.audience.count()
		return v.sendCount(n)
	case <-timer:
	case <-v.pong:
		v.pongBy = 0
	case payload := <-v.pings:
		return v.wire.frame(protocol.OpPong, payload)
	case <-v.session.sessions.drained:
	case <-v.left:
		return Left
	}
	return Following
}
