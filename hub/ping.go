package hub

import (
	"math/rand/v2"
	"time"

	"wsrun/internal/protocol"
)

const (
	// A viewer is pinged every pingTime, give or take pingJitter so that thousands of viewers that
	// connected at once don't stay in step. It has pongTime to answer. Together that is at most 30 s.
	pingTime   = 17 * time.Second
	pingJitter = 3 * time.Second
	pongTime   = 10 * time.Second
	// pongBytes matters only on systems that can't say how far a ping has got. A ping waits in line
	// behind output, so if this many bytes were sent since the ping, a late pong means nothing: a
	// dead viewer would have stalled.
	pongBytes = 1 << 20
	// behindBytes is how much unacknowledged output, in bytes, can hold up a ping for seconds. Less
	// has often arrived and just not been acknowledged yet.
	behindBytes = 64 << 10
)

// heartbeat answers the viewer's ping and sends one, as needed. The writer pool calls the two parts
// separately: answerPing only for a viewer that may have sent a ping.
func (v *viewer) heartbeat(now time.Duration) Outcome {
	if out := v.answerPing(); out != Following {
		return out
	}
	return v.sendPing(now)
}

// answerPing answers the viewer's last ping, unless that is answered already.
func (v *viewer) answerPing() Outcome {
	select {
	case payload := <-v.pings:
		return v.wire.frame(protocol.OpPong, payload)
	default:
		return Following
	}
}

// sendPing sends a ping if one is due at now, by the awakeClock. The outcome is Silent if the viewer is
// considered dead.
func (v *viewer) sendPing(now time.Duration) Outcome {
	if v.pongBy != 0 && now >= v.pongBy {
		select {
		case <-v.pong:
			v.pongBy = 0
		default:
			if !v.pingUnderWay() {
				return Silent
			}
			v.pongBy = now + pongTime
		}
	}
	if now < v.nextPing {
		return Following
	}
	select {
	case <-v.pong: // an unsolicited pong, or one that answers an earlier ping
	default:
	}
	v.nextPing = now + untilPing()
	v.pongBy = now + pongTime
	out := v.sendEvent(protocol.PingEvent{Event: "ping"})
	if out == Following {
		out = v.wire.frame(protocol.OpPing, nil)
	}
	acked, queued, _ := v.wire.delivered()
	v.acked, v.pingEnd, v.pingQueued, v.sentAtPing = acked, acked+queued, queued >= behindBytes, v.sent
	return out
}

// pingUnderWay reports whether the viewer deserves more time to answer the last ping: it has accepted
// some bytes since the last check, and has not received the ping yet, or only since that check.
func (v *viewer) pingUnderWay() bool {
	acked, _, ok := v.wire.delivered()
	if !ok {
		then := v.sentAtPing
		v.sentAtPing = v.sent
		return v.sent-then >= pongBytes
	}
	then, was := v.acked, v.pingQueued
	v.acked, v.pingQueued = acked, acked < v.pingEnd
	return then < acked && (v.pingQueued || was)
}

// untilPing returns a random time until the next ping. It is shorter than pingTime by half of
// pingCheck on average, because the writer pool sends a ping up to pingCheck late.
func untilPing() time.Duration {
	return pingTime - pingJitter + rand.N(2*pingJitter-pingCheck)
}
