package hub

import (
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// sendHello sets the viewer's cursor to where p asks, and sends what puts the viewer's terminal into
// the state there: a hello event to a wsrun.v1 viewer, and the bare prelude to a plain one.
func (v *viewer) sendHello(p Position) Outcome {
	h, open := v.hub, v.hub.open
	if v.filtered != nil {
		open = v.hub.openLines
	}
	exact := !h.partial.Load() // before the lines get their numbers, which may happen meanwhile
	s := open(p, v.v1, v.left)
	v.cursor, v.size = *s.cursor, s.start.Size
	v.nextPing = v.now() + untilPing()
	if v.filtered != nil {
		v.beginFilter()
	}
	if !v.v1 {
		return v.sendPrelude(s)
	}
	start := s.start
	if v.told = h.RunAt(start.Offset); start.Resumed && p.run.Epoch != "" {
		v.told = p.run // which may have ended there
	}
	v.told.Exact = v.told.Exact && (exact || v.told.From > 0)
	s.times = h.timesIn(v.told, s)
	v.sentCount, v.countChanged = h.audience.count()
	return v.sendPlacing(protocol.HelloEvent{
		Event: "hello", Kind: string(h.Kind), Epoch: v.told.Epoch,
		Offset: v.told.Offset(start.Offset), Line: v.told.Line(start.Line), End: v.told.Offset(start.End),
		Resumed: start.Resumed, Kept: v.told.kept(s.keptEvent()),
		Title: h.Title, Command: append([]string{}, h.Command...),
		Started: h.Started.UnixMilli(), Now: time.Now().UnixMilli(),
		Cols: start.Size.Cols, Rows: start.Size.Rows,
		State: StateOf(h.Stream.Stats()), Viewers: v.sentCount, LF: h.LF, Exact: v.told.Exact, History: h.Oldest(v.told),
	}, s)
}

// sendPlacing sends a hello or a reset to a wsrun.v1 viewer, with the times and the prelude of s.
func (v *viewer) sendPlacing(e any, s snapshot) Outcome {
	if s.long != nil {
		return v.sendLongStart(e, s.times, s.long)
	}
	return v.sendStart(e, s.times, s.quoted)
}

// sendPrelude sends the prelude of s to a plain viewer.
func (v *viewer) sendPrelude(s snapshot) Outcome {
	if s.long != nil {
		return v.sendLongText(s.long)
	}
	return v.sendText(v.text.Decode(s.prelude))
}

// sendEnd sends what is left at the end of the stream. If that works, the outcome is Ended if the
// source has ended too, and otherwise Stopping.
func (v *viewer) sendEnd() Outcome {
	if f := v.filtered; f != nil {
		if f.Finish(); f.out != Following {
			return f.out
		}
	}
	if out := v.sendText(v.text.Flush()); out != Following {
		return out
	}
	if v.hub.Stream.Stats().Exit == nil {
		return Stopping
	}
	return Ended
}

// sendItem sends an item that the cursor has returned.
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
		case Numbers:
			return v.sendNumbers(v.cursor.Line())
		case FileEvent:
			if !v.v1 && v.midLine {
				return v.sendOutput([]byte("\n")) // the next output isn't part of this line
			}
			if e.Run != nil {
				v.told = *e.Run
			}
			return v.sendEvent(NewFileEvent(e))
		}
		return Following
	}
	return v.sendOutput(item.Data)
}

// sendReset gives a new start to a viewer that has missed output.
func (v *viewer) sendReset(at broadcaster.Start) Outcome {
	s := v.hub.reopen(at, v.v1, v.left)
	v.cursor = *s.cursor
	if !v.v1 { // there is no way to tell a plain viewer about the gap
		if out := v.sendText(v.text.Flush()); out != Following {
			return out
		}
		return v.sendPrelude(s)
	}
	if out := v.sendNumbers(at.Line - at.SkippedLines); out != Following {
		return out
	}
	if run := v.hub.RunAt(s.start.Offset); run.Epoch != v.told.Epoch || run.From != v.told.From {
		v.told = run
		if out := v.sendEvent(NewFileEvent(FileEvent{State: "rotated", Run: &run})); out != Following {
			return out
		}
	}
	e := newResetEvent(s.start, v.told)
	e.Kept = v.told.kept(s.keptEvent())
	if out := v.sendSize(s.start.Size); out != Following {
		return out
	}
	s.times = v.hub.timesIn(v.told, s)
	return v.sendPlacing(e, s)
}

// sendNumbers tells a wsrun.v1 viewer which line of the stream it is in, if it has joined before the lines had their numbers.
func (v *viewer) sendNumbers(line int64) Outcome {
	if v.told.Exact || v.told.From > 0 || v.hub.partial.Load() {
		return Following
	}
	v.told.Exact = true
	return v.sendEvent(protocol.NumbersEvent{Event: "numbers", Line: v.told.Line(line)})
}

// sendOutput sends output from the ring, which is shared with other viewers.
func (v *viewer) sendOutput(p []byte) Outcome {
	opcode, payload := v.payload(p)
	return v.sendChunk(opcode, payload, sameChunk(p, payload))
}

// payload returns the message for p, which is output, and counts p as sent.
func (v *viewer) payload(p []byte) (opcode byte, payload []byte) {
	v.sent += int64(len(p))
	v.midLine = len(p) > 0 && p[len(p)-1] != '\n'
	if v.v1 {
		return protocol.OpBinary, p
	}
	return protocol.OpText, v.text.Decode(p)
}

// sendChunk sends a message of output. If shared, p is a chunk that other viewers get as well, so the
// message is a frame from one of the caches: deflated if the viewer supports it. An unshared p must not
// get into a cache: its memory may soon hold other bytes.
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

// deflated returns output as a deflated message, or nil if it should be sent as it is.
func (v *viewer) deflated(opcode byte, p []byte) []byte {
	switch {
	case v.takeover == withTakeover && opcode == protocol.OpBinary:
		dict := dictOf(v.window, len(p))
		v.window += len(p)
		frame := v.hub.deflated.frame(opcode, p, dict, func(size int) []byte {
			return v.hub.before(v.cursor.Offset()-int64(len(p)), size)
		})
		if frame == nil { // a message that isn't deflated doesn't enter the window (RFC 7692, section 7.2.3)
			v.window = 0
		}
		return frame
	case v.takeover != notDeflated && len(p) >= minBareBytes:
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

// sendEvent sends an event to a wsrun.v1 viewer. A plain viewer gets no events.
func (v *viewer) sendEvent(e any) Outcome {
	if !v.v1 {
		return Following
	}
	return v.sendMessage(protocol.OpText, protocol.Encode(e))
}

// sendStart sends an event that tells a wsrun.v1 viewer where it is in the stream: a hello or a reset.
func (v *viewer) sendStart(e any, times, prelude []byte) Outcome {
	if !v.v1 {
		return Following
	}
	return v.sendMessage(protocol.OpText, protocol.Placing(e, times, prelude)...)
}

// sendSize sends the terminal's size if it has changed.
func (v *viewer) sendSize(size broadcaster.Resize) Outcome {
	if size == v.size {
		return Following
	}
	v.size = size
	return v.sendEvent(newResizeEvent(size))
}

// sendCount sends the number of viewers if it has changed.
func (v *viewer) sendCount(n int) Outcome {
	if n == v.sentCount {
		return Following
	}
	v.sentCount = n
	return v.sendEvent(protocol.ViewersEvent{Event: "viewers", N: n})
}

// sendMessage sends a message and counts it.
func (v *viewer) sendMessage(opcode byte, payload ...[]byte) Outcome {
	return v.counted(v.wire.frame(opcode, payload...), sizeOf(payload))
}

// counted counts a message of the given size in bytes, if its outcome says that it was sent.
func (v *viewer) counted(out Outcome, size int) Outcome {
	if out == Following {
		v.count.Add(int64(size))
	}
	return out
}
