package hub

import (
	"slices"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// This file is about places that the ring has dropped, and the history has. Its functions may wait for a disk, so
// neither a writer nor a holder of a joinTracker's lock may call them.

// Oldest returns the oldest place that viewers can reach; nil if there is no history.
func (h *Hub) Oldest() *protocol.Place {
	if h.History == nil {
		return nil
	}
	first, ok := h.History.First()
	if st := h.Stream.Stats(); !ok || first.Offset > st.Start {
		return &protocol.Place{Offset: st.Start, Line: st.Line}
	}
	return &protocol.Place{Offset: first.Offset, Line: first.Line}
}

// open returns the snapshot for a viewer that asks for a position.
func (h *Hub) open(p Position, v1 bool) snapshot {
	cursor, start, ok := h.past(p)
	if !ok {
		return h.joins.open(p, v1)
	}
	s := snapshot{cursor: cursor, start: start, sharedStart: sharedStart{quoted: NoPrelude}}
	if v1 {
		s.times = encodeTimes(h.stamps(start))
	}
	return s
}

// Resume returns a cursor at the position that a reader of bytes asks for, in the history or in the ring.
func (h *Hub) Resume(p Position) *broadcaster.Cursor {
	cursor, _, ok := h.past(p)
	if !ok {
		cursor, _ = h.Stream.Resume(p.Epoch, p.Offset, p.Lines)
	}
	return cursor
}

// past returns a cursor at the position p, and describes it. ok is false if that isn't before what the ring keeps, or
// the history doesn't have it.
func (h *Hub) past(p Position) (cursor *broadcaster.Cursor, start broadcaster.Start, ok bool) {
	if h.History == nil || p.Epoch != h.Stream.Epoch() || p.Offset < 0 || p.Offset >= h.Stream.Stats().Start {
		return nil, start, false
	}
	cursor, start, ok = h.Stream.Past(p.Offset)
	start.Resumed = ok
	return cursor, start, ok
}

// stamps returns stamps from a start on, at least the last maxTimes.
func (h *Hub) stamps(start broadcaster.Start) []broadcaster.Stamp {
	if !start.Past {
		return start.Stamps
	}
	ring := h.Stream.Snapshot()
	end := ring.Stats().Start
	kept := ring.Stamps(end)
	if len(kept) >= maxTimes {
		return kept
	}
	var last []broadcaster.Stamp
	n := 0
	for s, err := range h.History.Stamps(start.Offset, end) {
		if err != nil {
			break
		}
		if len(last) < maxTimes {
			last = append(last, s)
		} else {
			last[n%maxTimes] = s
		}
		n++
	}
	if n > maxTimes {
		last = slices.Concat(last[n%maxTimes:], last[:n%maxTimes])
	}
	for len(last) > 0 && len(kept) > 0 && kept[0].Offset <= last[len(last)-1].Offset {
		kept = kept[1:] // both have the one in force at end
	}
	return append(last, kept...)
}

// pastPoint returns a start point at offset and a cursor there, if the history has the output there.
func (h *Hub) pastPoint(offset int64) (cursor *broadcaster.Cursor, at StartPoint, ok bool) {
	if h.History == nil {
		return nil, at, false
	}
	state, head, err := h.History.State(offset)
	if err == nil {
		cursor, _, ok = h.Stream.Past(offset)
	}
	return cursor, StartPoint{offset, state, head}, ok
}

// beginPast returns where a reader of text begins that asks for the position p, or nil if that isn't in the history.
func (h *Hub) beginPast(p Position) *TextStart {
	cursor, start, ok := h.past(p)
	if !ok {
		return nil
	}
	s := &TextStart{Cursor: cursor, Start: start, Point: StartPoint{Offset: start.Offset}}
	if cursor, at := h.BeginNear(start.Offset); cursor != nil {
		s.Cursor, s.Point = cursor, at
	}
	return s
}

// reopen returns the snapshot for a viewer that has missed output, and whose cursor would continue at gap.
func (h *Hub) reopen(gap broadcaster.Start, v1 bool) snapshot {
	if !gap.Past {
		return h.joins.reopen(gap, v1)
	}
	_, at := h.BeginNear(gap.Offset)
	cursor, start, ok := h.Stream.Past(at.Offset)
	if !ok {
		return h.joins.reopen(gap, v1)
	}
	start.SkippedBytes = start.Offset - (gap.Offset - gap.SkippedBytes)
	start.SkippedLines = start.Line - (gap.Line - gap.SkippedLines)
	prelude := at.prelude()
	s := snapshot{cursor: cursor, start: start, sharedStart: sharedStart{prelude: prelude, quoted: quote(prelude)}}
	if v1 {
		s.times = encodeTimes(h.stamps(start))
	}
	return s
}
