package hub

import (
	"bytes"
	"slices"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
	"wsrun/screen"
)

// A Filter passes on a part of a stream's output, in order, to the function that it was made with. That gets all
// output and learns which parts the filter wants. Each method may wait for its turn.
type Filter interface {
	Write(p []byte) (int, error)
	// Finish passes on what the filter still holds.
	Finish()
	// Restart makes the filter go on at another place, as [NewFilter] says. The caller must call Finish first.
	Restart(offset, line int64, alternate bool)
	// Shrink frees what isn't needed while the stream is silent.
	Shrink()
	// Done reports whether the filter wants nothing any more.
	Done() bool
	// Close frees what the filter holds. It must be called at the end.
	Close()
}

// A NewFilter makes a filter for the output from an offset on, which is in the line with the given number, counted from 1.
// alternate reports that the alternate screen is in use there.
type NewFilter func(offset, line int64, alternate bool, pass func(p []byte, wanted bool)) Filter

// filteredBytes is how much output a filter gets at a time. It holds a copy while the viewer takes its time.
const filteredBytes = 4 << 10

// filtered is what a viewer needs that gets a part of the output. Such a viewer is never in the writer pool.
type filtered struct {
	Filter
	make         NewFilter
	offset, line int64        // of the next output that the filter passes on: newlines before it
	state        screen.State // there
	head         []byte       // the part of a control sequence that lies before offset
	shown        screen.State // what the viewer's terminal is in
	skipped      bool         // output was left out since the last that was sent
	sizes        []placedSize // of the terminal, at places that the filter hasn't passed yet
	out          Outcome      // of the last message
}

// A placedSize is a size of the terminal from an offset on.
type placedSize struct {
	offset int64
	size   broadcaster.Resize
}

// maxSizes is how many sizes a filter holds. If there are more, it passes on the line within which they are.
const maxSizes = 64

// beginFilter begins to filter the output that follows at the viewer's cursor.
func (v *viewer) beginFilter() {
	f, at, line := v.filtered, v.hub.pointAt(v.cursor.Offset()), v.cursor.Line()
	f.offset, f.line, f.state, f.head, f.shown, f.skipped, f.sizes = at.Offset, line-1, at.State, at.Head, at.State, false, nil
	if f.Filter == nil {
		f.Filter = f.make(at.Offset, line, at.State.Alternate(), v.pass)
	} else {
		f.Restart(at.Offset, line, at.State.Alternate())
	}
}

// sendFiltered is sendItem for a viewer with a filter, which may be sent nothing for long.
func (v *viewer) sendFiltered(item broadcaster.Item) Outcome {
	f := v.filtered
	select {
	case <-v.left:
		return Left
	default:
	}
	switch {
	case item.Data != nil:
		for piece := range slices.Chunk(item.Data, filteredBytes) {
			f.Write(piece)
		}
	case item.Reset != nil:
		f.Finish()
		if out := v.sendItem(item); out != Following {
			return out
		}
		v.beginFilter()
	default:
		size, ok := item.Event.(broadcaster.Resize)
		if ok {
			f.sizes = append(f.sizes, placedSize{v.cursor.Offset(), size})
		}
		if !ok || len(f.sizes) > maxSizes {
			f.Finish()
		}
		v.sendSizes()
		if !ok && f.out == Following {
			f.out = v.sendItem(item)
		}
	}
	return f.out
}

// sendSizes sends the sizes of the terminal up to the place that the filter has passed.
func (v *viewer) sendSizes() {
	f := v.filtered
	for len(f.sizes) > 0 && f.sizes[0].offset <= f.offset {
		size := f.sizes[0].size
		f.sizes = f.sizes[1:]
		f.state.Resize(size.Rows)
		if f.out == Following {
			f.out = v.sendSize(size)
		}
	}
}

// pass takes output from the viewer's filter.
func (v *viewer) pass(p []byte, wanted bool) {
	f := v.filtered
	for len(f.sizes) > 0 && f.sizes[0].offset < f.offset+int64(len(p)) {
		n := f.sizes[0].offset - f.offset
		v.passPiece(p[:n], wanted)
		v.sendSizes()
		p = p[n:]
	}
	v.passPiece(p, wanted)
	v.sendSizes()
}

// passPiece is pass for output within which the terminal's size stays the same.
func (v *viewer) passPiece(p []byte, wanted bool) {
	f := v.filtered
	if len(p) == 0 {
		return
	}
	if f.out == Following {
		if wanted {
			f.out = v.sendWanted(p)
		} else {
			f.skipped = true
		}
	}
	text := append(f.head, p...)
	n := f.state.Scan(text)
	f.head = bytes.Clone(text[n:])
	f.offset += int64(len(p))
	f.line += int64(bytes.Count(p, []byte("\n")))
	if wanted {
		f.shown = f.state
	}
}

// sendWanted sends output, after an event that says what was left out before.
func (v *viewer) sendWanted(p []byte) Outcome {
	f := v.filtered
	if f.skipped {
		f.skipped = false
		prelude := append(f.state.AppendFrom(nil, &f.shown), f.head...)
		out := v.sendEvent(protocol.SkipEvent{
			Event: "skip", Offset: v.told.Offset(f.offset), Line: v.told.Line(f.line + 1), Prelude: string(drawn(prelude)),
		})
		if !v.v1 {
			out = v.sendText(v.text.Decode(prelude))
		}
		if out != Following {
			return out
		}
	}
	opcode, payload := v.payload(p)
	return v.sendChunk(opcode, payload, false)
}
