package hub

import (
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// hello takes a cursor and, for wsrun.v1, sends the hello event.
func (v *viewer) hello(q Position) error {
	cursor, start, opening := v.f.Late.open(q)
	v.cursor, v.size = *cursor, start.Size
	v.nextPing = time.Now().Add(untilPing())
	if !v.v1 {
		return v.message(v.text.Decode(opening.prelude))
	}
	f := v.f
	v.told, v.change = v.f.audience.count()
	return v.place(protocol.HelloEvent{
		Event: "hello", Epoch: f.Stream.Epoch(), Offset: start.Offset, Line: start.Line, End: start.End, Resumed: start.Resumed, Kept: opening.kept,
		Times: times(start.Stamps), Title: f.Title, Command: append([]string{}, f.Command...),
		Started: f.Started.UnixMilli(), Now: time.Now().UnixMilli(),
		Cols: start.Size.Cols, Rows: start.Size.Rows,
		State: StateOf(f.Stream.Stats()), Viewers: v.told, LF: f.LF, Exact: f.Exact.Load(),
	}, opening.quoted)
}

// follow sends what comes. The error is errCrowd if the crowd has taken the viewer, and
// does that; else [io.EOF] at the stream's end, and nil when the viewer has left.
func (v *viewer) follow() error {
	if err := v.wire.flush(); err != nil {
		return err
	}
	if at := v.lost; at != nil {
		v.lost = nil
		if err := v.item(broadcaster.Item{Reset: at}); err != nil {
			return err
		}
	}
	if v.f.crowd.enter(v) {
		return errCrowd
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		item, wait, err := v.cursor.Poll()
		if err == nil && wait == nil {
			err = v.item(item)
		}
		if err == io.EOF {
			err = v.atEnd()
		}
		if err != nil {
			return err
		}
		if err := v.heartbeat(time.Now()); err != nil {
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
			if err := v.wire.frame(protocol.OpPong, payload); err != nil {
				return err
			}
		case <-v.left:
			return nil
		}
	}
}

// atEnd sends what is left at the end of the stream. The error is [io.EOF] if that
// went well.
func (v *viewer) atEnd() error {
	return errors.Join(v.message(v.text.Flush()), io.EOF)
}

// item sends what the cursor gave.
func (v *viewer) item(item broadcaster.Item) error {
	switch {
	case item.Reset != nil:
		v.visit.Resets.Add(1)
		v.window = 0
		return v.gap(*item.Reset)
	case item.Event != nil:
		switch e := item.Event.(type) {
		case broadcaster.Resize:
			return v.resize(e)
		case broadcaster.Exit:
			return v.event(NewExitEvent(e))
		case FileEvent:
			if !v.v1 && v.within {
				return v.output([]byte("\n")) // what follows is another line
			}
			return v.event(NewFileEvent(e))
		}
		return nil
	}
	return v.output(item.Data)
}

// gap goes on at another place, for the cursor fell out of the ring.
func (v *viewer) gap(at broadcaster.Start) error {
	cursor, start, opening := v.f.Late.reopen(at)
	v.cursor = *cursor
	if !v.v1 { // it can't be told
		return errors.Join(v.message(v.text.Flush()), v.message(v.text.Decode(opening.prelude)))
	}
	e := NewResetEvent(start)
	e.Kept = opening.kept
	return errors.Join(v.resize(start.Size), v.place(e, opening.quoted))
}

// output sends output.
func (v *viewer) output(p []byte) error {
	v.sent += int64(len(p))
	v.within = len(p) > 0 && p[len(p)-1] != '\n'
	if v.v1 {
		return v.chunk(protocol.OpBinary, p, true)
	}
	text := v.text.Decode(p)
	return v.chunk(protocol.OpText, text, sameChunk(p, text))
}

// chunk sends a message of output, deflated if it is to be so, or as a frame that others
// are sent as well. It is neither if this viewer alone has these bytes, or if it follows no
// stream: then there may be others in their place soon.
func (v *viewer) chunk(opcode byte, p []byte, shared bool) error {
	if len(p) == 0 {
		return nil
	}
	var frame []byte
	if shared && v.f != nil {
		if frame = v.deflated(opcode, p); frame == nil {
			frame = v.f.framer.of(opcode, p)
		}
	}
	if frame == nil {
		return v.data(opcode, p)
	}
	return v.counted(v.wire.send(false, frame), len(p))
}

// deflated returns output as a deflated message; nil if it is not to be one.
func (v *viewer) deflated(opcode byte, p []byte) []byte {
	switch {
	case v.takeover == withTakeover && opcode == protocol.OpBinary:
		dict := dictOf(v.window, len(p))
		v.window += len(p)
		return v.f.deflater.frame(opcode, p, dict, func(size int) []byte {
			return v.f.before(v.cursor.Offset()-int64(len(p)), size)
		})
	case v.takeover != notDeflated && len(p) >= bareBytes:
		return v.f.deflater.frame(opcode, p, 0, func(int) []byte { return nil })
	}
	return nil
}

// message sends text to a plain viewer.
func (v *viewer) message(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	return v.data(protocol.OpText, text)
}

// event sends an event; a plain viewer gets none.
func (v *viewer) event(e any) error {
	if !v.v1 {
		return nil
	}
	return v.data(protocol.OpText, protocol.Encode(e))
}

// data sends a message and counts it.
func (v *viewer) data(opcode byte, payload ...[]byte) error {
	return v.counted(v.wire.frame(opcode, payload...), sizeOf(payload))
}

// counted counts a message of so many bytes, if it was sent without an error.
func (v *viewer) counted(err error, size int) error {
	if err == nil {
		v.count.Add(int64(size))
	}
	return err
}

// place sends an event that places the viewer in the stream.
func (v *viewer) place(e any, prelude []byte) error {
	if !v.v1 {
		return nil
	}
	return v.data(protocol.OpText, protocol.WithPrelude(e, prelude)...)
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
	return v.event(protocol.ViewersEvent{Event: "viewers", N: n})
}

// heartbeat is answerPing and ping, of which the crowd makes the first only where a ping
// may have come.
func (v *viewer) heartbeat(now time.Time) error {
	if err := v.answerPing(); err != nil {
		return err
	}
	return v.ping(now)
}

// answerPing answers a ping of the viewer's, if there is one.
func (v *viewer) answerPing() error {
	select {
	case payload := <-v.pings:
		return v.wire.frame(protocol.OpPong, payload)
	default:
		return nil
	}
}

// ping sends a ping when it is time to. Of a viewer that is taken for dead the error is
// errSilent.
func (v *viewer) ping(now time.Time) error {
	if !v.pongBy.IsZero() && !now.Before(v.pongBy) {
		select {
		case <-v.pong:
			v.pongBy = time.Time{}
		default:
			if !v.pingUnderWay() {
				return errSilent
			}
			v.pongBy = now.Add(pongTime)
		}
	}
	if now.Before(v.nextPing) {
		return nil
	}
	select {
	case <-v.pong: // of no ping
	default:
	}
	v.nextPing = now.Add(untilPing())
	v.pongBy = now.Add(pongTime)
	err := errors.Join(v.event(protocol.PingEvent{Event: "ping"}), v.wire.frame(protocol.OpPing, nil))
	acked, queued, _ := v.wire.delivered()
	v.acked, v.pingEnd, v.behind, v.sentThen = acked, acked+queued, queued >= behindBytes, v.sent
	return err
}

// pingUnderWay tells whether the viewer may have the last ping not yet, or not for long,
// and has taken something since this was last looked at.
func (v *viewer) pingUnderWay() bool {
	acked, _, ok := v.wire.delivered()
	if !ok {
		then := v.sentThen
		v.sentThen = v.sent
		return v.sent-then >= pongBytes
	}
	then, was := v.acked, v.behind
	v.acked, v.behind = acked, acked < v.pingEnd
	return then < acked && (v.behind || was)
}

func untilPing() time.Duration {
	return pingTime - pingJitter + rand.N(2*pingJitter-beat)
}
