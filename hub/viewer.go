package hub

import (
	"math/rand/v2"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// sendHello takes a cursor and, for wsrun.v1, sends the hello event.
func (v *viewer) sendHello(q Position) Outcome {
	s := v.hub.joins.open(q, v.v1)
	v.cursor, v.size = *s.cursor, s.start.Size
	v.nextPing = time.Now().Add(untilPing())
	if !v.v1 {
		return v.sendText(v.text.Decode(s.prelude))
	}
	f, start := v.hub, s.start
	v.sentCount, v.countChanged = v.hub.audience.count()
	return v.sendStart(protocol.HelloEvent{
		Event: "hello", Kind: string(f.Kind), Epoch: f.Stream.Epoch(), Offset: start.Offset, Line: start.Line, End: start.End, Resumed: start.Resumed, Kept: s.kept,
		Title: f.Title, Command: append([]string{}, f.Command...),
		Started: f.Started.UnixMilli(), Now: time.Now().UnixMilli(),
		Cols: start.Size.Cols, Rows: start.Size.Rows,
		State: StateOf(f.Stream.Stats()), Viewers: v.sentCount, LF: f.LF, Exact: !f.partial.Load(),
	}, s.times, s.quoted)
}

// follow sends what comes, until the session ends or is pooled: then the crowd does that.
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
	if v.hub.pool.add(v) {
		return pooled
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		item, wait, err := v.cursor.Poll()
		if err != nil {
			return v.sendEnd()
		}
		if wait == nil {
			if out := v.sendItem(item); out != Following {
				return out
			}
		}
		if out := v.heartbeat(time.Now()); out != Following {
			return out
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
		case <-v.countChanged:
			var n int
			n, v.countChanged = v.hub.audience.count()
			if out := v.sendCount(n); out != Following {
				return out
			}
		case <-timer.C:
		case <-v.pong:
			v.pongBy = time.Time{}
		case payload := <-v.pings:
			if out := v.wire.frame(protocol.OpPong, payload); out != Following {
				return out
			}
		case <-v.left:
			return Left
		}
	}
}

// sendEnd sends what is left at the end of the stream. The outcome is Ended if that went well
// and the source has ended, too.
func (v *viewer) sendEnd() Outcome {
	if out := v.sendText(v.text.Flush()); out != Following {
		return out
	}
	if v.hub.Stream.Stats().Exit == nil {
		return Stopping
	}
	return Ended
}

// sendItem sends what the cursor gave.
func (v *viewer) sendItem(item broadcaster.Item) Outcome {
	switch {
	case item.Reset != nil:
		v.session.Missed()
		v.window = 0
		return v.sendReset(*item.Reset)
	case item.Event != nil:
		switch e := item.Event.(type) {
		case broadcaster.Resize:
			return v.sendSize(e)
		case broadcaster.Exit:
			return v.sendEvent(NewExitEvent(e))
		case FileEvent:
			if !v.v1 && v.midLine {
				return v.sendOutput([]byte("\n")) // what follows is another line
			}
			return v.sendEvent(NewFileEvent(e))
		}
		return Following
	}
	return v.sendOutput(item.Data)
}

// sendReset goes on at another place, for the cursor fell out of the ring.
func (v *viewer) sendReset(at broadcaster.Start) Outcome {
	s := v.hub.joins.reopen(at, v.v1)
	v.cursor = *s.cursor
	if !v.v1 { // it can't be told
		if out := v.sendText(v.text.Flush()); out != Following {
			return out
		}
		return v.sendText(v.text.Decode(s.prelude))
	}
	e := newResetEvent(s.start)
	e.Kept = s.kept
	if out := v.sendSize(s.start.Size); out != Following {
		return out
	}
	return v.sendStart(e, s.times, s.quoted)
}

// sendOutput sends output.
func (v *viewer) sendOutput(p []byte) Outcome {
	opcode, payload := v.payload(p)
	return v.sendChunk(opcode, payload, sameChunk(p, payload))
}

// payload returns the message that output is sent as, and counts it as sent.
func (v *viewer) payload(p []byte) (opcode byte, payload []byte) {
	v.sent += int64(len(p))
	v.midLine = len(p) > 0 && p[len(p)-1] != '\n'
	if v.v1 {
		return protocol.OpBinary, p
	}
	return protocol.OpText, v.text.Decode(p)
}

// sendChunk sends a message of output, deflated if it is to be so, or as a frame that others
// are sent as well. It is neither unless the output is shared: if this viewer alone has these
// bytes, there may be others in their place soon.
func (v *viewer) sendChunk(opcode byte, p []byte, shared bool) Outcome {
	if len(p) == 0 {
		return Following
	}
	var frame []byte
	if shared {
		if frame = v.deflated(opcode, p); frame == nil {
			frame = v.hub.frames.get(opcode, p)
		}
	}
	if frame == nil {
		return v.sendMessage(opcode, p)
	}
	return v.counted(v.wire.send(false, frame), len(p))
}

// deflated returns output as a deflated message; nil if it is not to be one.
func (v *viewer) deflated(opcode byte, p []byte) []byte {
	switch {
	case v.takeover == withTakeover && opcode == protocol.OpBinary:
		dict := dictOf(v.window, len(p))
		v.window += len(p)
		return v.hub.deflated.frame(opcode, p, dict, func(size int) []byte {
			return v.hub.before(v.cursor.Offset()-int64(len(p)), size)
		})
	case v.takeover != notDeflated && len(p) >= bareBytes:
		return v.hub.deflated.frame(opcode, p, 0, func(int) []byte { return nil })
	}
	return nil
}

// sendText sends text to a plain viewer.
func (v *viewer) sendText(text []byte) Outcome {
	if len(text) == 0 {
		return Following
	}
	return v.sendMessage(protocol.OpText, text)
}

// sendEvent sends an event; a plain viewer gets none.
func (v *viewer) sendEvent(e any) Outcome {
	if !v.v1 {
		return Following
	}
	return v.sendMessage(protocol.OpText, protocol.Encode(e))
}

// sendMessage sends a message and counts it.
func (v *viewer) sendMessage(opcode byte, payload ...[]byte) Outcome {
	return v.counted(v.wire.frame(opcode, payload...), sizeOf(payload))
}

// counted counts a message of so many bytes, if it was sent.
func (v *viewer) counted(out Outcome, size int) Outcome {
	if out == Following {
		v.count.Add(int64(size))
	}
	return out
}

// sendStart sends an event that places the viewer in the stream.
func (v *viewer) sendStart(e any, times, prelude []byte) Outcome {
	if !v.v1 {
		return Following
	}
	return v.sendMessage(protocol.OpText, protocol.Placing(e, times, prelude)...)
}

func (v *viewer) sendSize(size broadcaster.Resize) Outcome {
	if size == v.size {
		return Following
	}
	v.size = size
	return v.sendEvent(newResizeEvent(size))
}

func (v *viewer) sendCount(n int) Outcome {
	if n == v.sentCount {
		return Following
	}
	v.sentCount = n
	return v.sendEvent(protocol.ViewersEvent{Event: "viewers", N: n})
}

// heartbeat is answerPing and ping, of which the crowd makes the first only where a ping
// may have come.
func (v *viewer) heartbeat(now time.Time) Outcome {
	if out := v.answerPing(); out != Following {
		return out
	}
	return v.sendPing(now)
}

// answerPing answers a ping of the viewer's, if there is one.
func (v *viewer) answerPing() Outcome {
	select {
	case payload := <-v.pings:
		return v.wire.frame(protocol.OpPong, payload)
	default:
		return Following
	}
}

// sendPing sends a ping when it is time to. Of a viewer that is taken for dead the outcome is
// Silent.
func (v *viewer) sendPing(now time.Time) Outcome {
	if !v.pongBy.IsZero() && !now.Before(v.pongBy) {
		select {
		case <-v.pong:
			v.pongBy = time.Time{}
		default:
			if !v.pingUnderWay() {
				return Silent
			}
			v.pongBy = now.Add(pongTime)
		}
	}
	if now.Before(v.nextPing) {
		return Following
	}
	select {
	case <-v.pong: // of no ping
	default:
	}
	v.nextPing = now.Add(untilPing())
	v.pongBy = now.Add(pongTime)
	out := v.sendEvent(protocol.PingEvent{Event: "ping"})
	if out == Following {
		out = v.wire.frame(protocol.OpPing, nil)
	}
	acked, queued, _ := v.wire.delivered()
	v.acked, v.pingEnd, v.ackedBehind, v.sentAtPing = acked, acked+queued, queued >= behindBytes, v.sent
	return out
}

// pingUnderWay tells whether the viewer may have the last ping not yet, or not for long,
// and has taken something since this was last looked at.
func (v *viewer) pingUnderWay() bool {
	acked, _, ok := v.wire.delivered()
	if !ok {
		then := v.sentAtPing
		v.sentAtPing = v.sent
		return v.sent-then >= pongBytes
	}
	then, was := v.acked, v.ackedBehind
	v.acked, v.ackedBehind = acked, acked < v.pingEnd
	return then < acked && (v.ackedBehind || was)
}

func untilPing() time.Duration {
	return pingTime - pingJitter + rand.N(2*pingJitter-pingCheck)
}
