package hub

import (
	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/internal/protocol"
)

// A Sought is where a position is in the stream.
type Sought struct {
	Position       // as an offset
	At       int64 // number of the line that holds the byte there; 0 if that isn't known
	Ahead    bool  // no such line has begun: the position is the end of the output
	Cut      bool  // the position is a time, and output from then on may have been dropped
}

// Seek finds the line at which a position begins that names one, by its number or time, or by how many lines come
// after it. If that line is gone, Seek finds the oldest one that can be reached. Other positions stay as they are.
// Seek may wait for a disk.
func (h *Hub) Seek(p Position) Sought {
	ring := h.Stream.Snapshot()
	st := ring.Stats()
	switch {
	case p.Offset >= 0:
		return Sought{Position: p, At: h.lineAt(p)}
	case p.Line > 0:
		return h.seekLine(ring, p, p.Line)
	case p.Time > 0:
		return h.seekTime(ring, p)
	case int64(p.Lines) > st.Lines && h.History != nil && st.Start > 0:
		return h.seekLine(ring, p, max(st.Line+st.Lines-int64(p.Lines), 1))
	}
	return Sought{Position: p}
}

// lineAt returns the number of the line that holds the byte at a position's offset, or 0.
func (h *Hub) lineAt(p Position) int64 {
	if p.Epoch != h.Stream.Epoch() {
		return 0
	}
	if c, _, ok := h.Stream.Past(p.Offset); ok {
		return c.Line()
	}
	return 0
}

// oldestOf returns the oldest place that a snapshot reaches. With a history, that is before what the ring keeps, as long as
// the history doesn't have it yet. It is within a line only if the history has what comes before.
func (h *Hub) oldestOf(ring *broadcaster.Snapshot) (at history.Place) {
	st := ring.Stats()
	if h.History == nil {
		return history.Place{Offset: st.Start, Line: st.Line}
	}
	if at.Offset, at.Line = ring.Oldest(); at.Offset == 0 || h.History.End().Offset >= at.Offset {
		return at
	}
	if offset, line, ok := ring.LineFrom(at.Offset); ok && offset < st.Start {
		return history.Place{Offset: offset, Line: line}
	}
	return history.Place{Offset: st.Start, Line: st.Line}
}

// seekLine is Seek for line n.
func (h *Hub) seekLine(ring *broadcaster.Snapshot, p Position, n int64) Sought {
	st := ring.Stats()
	if n >= st.Line+st.Lines {
		return h.sought(p, history.Place{Offset: st.End, Line: st.Line + st.Lines}, true)
	}
	if r := h.LastRun(); n == r.Begin.Line && r.From > 0 && r.From >= st.Start { // the line before may have no end
		return h.sought(p, history.Place{Offset: r.From, Line: n}, false)
	}
	first := h.oldestOf(ring)
	if at, ok := ring.Line(n); ok && at >= first.Offset {
		return h.sought(p, history.Place{Offset: at, Line: n}, false)
	}
	if h.History != nil {
		if at, err := h.History.Line(n); err == nil && at.Offset < first.Offset {
			first = at
		}
	}
	return h.sought(p, first, false)
}

// seekTime is Seek for a time.
func (h *Hub) seekTime(ring *broadcaster.Snapshot, p Position) Sought {
	st := ring.Stats()
	from := h.oldestOf(ring).Offset
	if h.History != nil {
		if at, err := h.History.Since(p.Time); err == nil {
			return h.soughtTime(p, at)
		}
		from = max(from, h.History.End().Offset)
	}
	if offset, line, ok := ring.Since(from, p.Time); ok {
		return h.soughtTime(p, history.Place{Offset: offset, Line: line})
	}
	return h.sought(p, history.Place{Offset: st.End, Line: st.Line + st.Lines}, true)
}

// soughtTime returns the place of a time as a position.
func (h *Hub) soughtTime(p Position, at history.Place) Sought {
	s := h.sought(p, at, false)
	s.Cut = at.Offset > 0 && at.Offset <= h.OldestPlace().Offset
	return s
}

// sought returns the place as a position.
func (h *Hub) sought(p Position, at history.Place, ahead bool) Sought {
	p = Position{Lines: -1, Epoch: h.Stream.Epoch(), Offset: at.Offset, Line: p.Line, Time: p.Time}
	return Sought{Position: p, At: at.Line, Ahead: ahead}
}

// StampsBetween returns the times of the output from one offset to another, and maybe beyond: first the one in force
// at the first offset, if it is known. It may wait for a disk, if HasLeft says so.
func (h *Hub) StampsBetween(from, to int64) []broadcaster.Stamp {
	ring := h.Stream.Snapshot()
	if !h.HasLeft(from) {
		return ring.Stamps(from)
	}
	end := h.History.End().Offset
	var past []broadcaster.Stamp
	for s, err := range h.History.Stamps(from, min(to, end)) {
		if err != nil {
			break
		}
		past = append(past, s)
	}
	if to <= end {
		return past
	}
	return joinStamps(past, ring.Stamps(end))
}

// joinStamps returns the stamps of the history and those of the ring after them. Both may have the one in force where they
// meet.
func joinStamps(past, kept []broadcaster.Stamp) []broadcaster.Stamp {
	for len(past) > 0 && len(kept) > 0 && kept[0].Offset <= past[len(past)-1].Offset {
		kept = kept[1:]
	}
	return append(past, kept...)
}

// HasLeft reports whether the ring has dropped the output at offset, so that only the history may have it.
func (h *Hub) HasLeft(offset int64) bool {
	return h.History != nil && offset < h.History.End().Offset && offset < h.Stream.Stats().Start
}

// LineFrom returns the first place at or after offset at which a line begins. ok is false if none has begun. It may
// wait for a disk.
func (h *Hub) LineFrom(offset int64) (at protocol.Place, ok bool) {
	ring := h.Stream.Snapshot()
	oldest := h.oldestOf(ring)
	if h.History != nil && offset < oldest.Offset {
		if at, err := h.History.LineFrom(offset); err == nil {
			return protocol.Place{Offset: at.Offset, Line: at.Line}, true
		}
	}
	at.Offset, at.Line, ok = ring.LineFrom(max(offset, oldest.Offset))
	return at, ok
}

// SectionFrom is LineFrom for output that is to be searched on its own. ok is false, too, if the line begins within a
// control sequence or while the alternate screen is in use: the line from before that screen continues after it. If no line
// begins, the place is at the end.
func (h *Hub) SectionFrom(offset int64) (at protocol.Place, ok bool) {
	if at, ok = h.LineFrom(offset); !ok {
		return protocol.Place{Offset: h.Stream.Stats().End}, false
	}
	p := h.pointAt(at.Offset)
	return at, len(p.Head) == 0 && !p.State.Within() && !p.State.Alternate()
}

// EndsWithin reports whether the output before offset ends within a line. The ring must still have it.
func (h *Hub) EndsWithin(offset int64) bool {
	last := h.before(offset, 1)
	return len(last) > 0 && last[0] != '\n'
}
