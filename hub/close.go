package hub

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"wsrun/internal/protocol"
)

const (
	// giveUpTime is how long a stalled viewer has to wake up for its close frame.
	giveUpTime = 3 * time.Second
	// readLimit is the most bytes of a viewer's message that are read before it is refused.
	readLimit = 1 << 10
)

// read reads until the viewer leaves or sends a message, and closes left. Unlike coder/websocket's
// CloseRead, which takes 15 s, it closes a viewer that sends a message at once.
func (v *viewer) read() {
	defer v.gone()
	defer v.panics().Contain("read from a viewer", nil)
	if _, _, err := v.ws.Reader(context.Background()); err == nil {
		v.spoke = true
		// Close waits for the rest of the message, which may never arrive.
		v.wire.SetReadDeadline(time.Now().Add(giveUpTime))
		v.ws.Close(websocket.StatusPolicyViolation, "viewers can only read")
	}
}

// gone tells others that the viewer is gone, and ends the session if nothing else does. Once left is
// closed, whoever serves the viewer notices.
func (v *viewer) gone() {
	defer v.panics().Contain("part with a viewer", v.cutOff)
	defer v.leaveIfPooled()
	defer close(v.left)
	v.ws.CloseNow()
}

// leaveIfPooled ends the session if the viewer was in the writer pool when it left.
func (v *viewer) leaveIfPooled() {
	if v.member.leave() || v.leftPool {
		v.leave(Left)
	}
}

// end closes the connection, waits for the reader, and returns the session's outcome, which is Spoke
// if the viewer has sent a message, however the session ended.
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
		// coder/websocket is in a closing handshake, because the viewer left or sent a message.
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

// linger waits until the viewer has received all that was sent, as long as it accepts some of it at
// least every stallTime, and isn't to leave at once. coder/websocket would wait for 5 s and then close the connection. If the
// viewer sends anything at that time, such as a ping, output that is still on its way is lost.
func (v *viewer) linger() {
	if v.wire.flush() != Following {
		return
	}
	check := time.NewTimer(0)
	defer check.Stop()
	var last int64
	for idle, pause := time.Duration(0), time.Millisecond; ; pause = min(2*pause, progressInterval) {
		select {
		case payload := <-v.pings:
			v.wire.frame(protocol.OpPong, payload)
			continue
		case <-v.left:
			return
		case <-v.session.sessions.drained:
			return
		case <-check.C:
		}
		acked, queued, ok := v.wire.delivered()
		if acked > last {
			last, idle = acked, 0
		}
		if !ok || queued == 0 || idle >= stallTime {
			return
		}
		check.Reset(pause)
		idle += pause
	}
}
