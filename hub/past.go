package hub

import (
	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/internal/protocol"
)

// This file is about places that the ring has dropped, and the history has. Its functions may wait for a disk, so
// neither a writer nor a holder of a joinTracker's lock may call them.

// Oldest returns the oldest place of a run that viewers can reach; nil if there is no history.
func (h *Hub) Oldest(r Run) *protocol.Place {
	if h.History == nil {
		return nil
	}
	return r.place(h.OldestPlace())
}

// OldestPlace returns the oldest place that viewers can reach, with a history or without.
func (h *Hub) OldestPlace() history.Place {
	oldest := h.oldestOf(h.Stream.Snapshot())
	if h.History == nil {
		return oldest
	}
	if first, ok := h.History.First(); ok && first.Offset < oldest.Offset {
		return first
	}
	return oldest
}

// open returns the snapshot for a viewer that asks for a position. gone is closed when the viewer has left.
func (h *Hub) open(p Position, v1 bool, gone <-chan struct{}) snapshot {
	if at := h.Seek(p).Position; at != p {
		if s, ok := h.startAt(at.Offset, v1, gone); ok {
			return s
		}
		p = at
	}
	cursor, start, ok := h.past(p)
	if ok && !start.Resumed {
		if s, ok := h.startAt(start.Offset, v1, gone); ok {
			return s
		}
	}
	if !start.Resumed {
		return h.joins.open(p, v1)
	}
	s := snapshot{cursor: cursor, start: start, sharedStart: sharedStart{quoted: NoPrelude}}
	if v1 {
		s.times = lastTimes(h.stamps(start))
	}
	return s
}

// openLines is open for a viewer with a filter, which gets lines only, and no picture of the screen.
func (h *Hub) openLines(p Position, v1 bool, gone <-chan struct{}) snapshot {
	at := h.Seek(p).Position
	if at == p && (p.Epoch != h.Stream.Epoch() || p.Offset < 0) {
		_, start := h.Stream.Open(p.Lines)
		at = Position{Lines: -1, Epoch: h.Stream.Epoch(), Offset: start.Offset}
	}
	if at != p {
		if s, ok := h.startAt(at.Offset, v1, gone); ok {
			return s
		}
	}
	return h.open(at, v1, gone)
}

// past returns a cursor at the position p, and describes it; if the output there has been dropped, at the oldest place that
// the history has. ok is false if that isn't before what the ring keeps.
func (h *Hub) past(p Position) (cursor *broadcaster.Cursor, start broadcaster.Start, ok bool) {
	if h.History == nil || p.Epoch != h.Stream.Epoch() || p.Offset < 0 || p.Offset >= h.Stream.Stats().Start {
		return nil, start, false
	}
	if cursor, start, ok = h.Stream.Past(p.Offset); ok {
		start.Resumed = true
		return cursor, start, ok
	}
	return h.Stream.Past(h.OldestPlace().Offset)
}

// stamps returns stamps from a start on, at least the last maxTimes.
func (h *Hub) stamps(start broadcaster.Start) []broadcaster.Stamp {
	if !start.Past {
		return start.Stamps
	}
	end := h.History.End().Offset
	kept := h.Stream.Snapshot().Stamps(end)
	if len(kept) >= maxTimes {
		return kept
	}
	var last []broadcaster.Stamp
	for size := int64(stampsBytes); ; size *= 4 {
		from := max(end-size, start.Offset)
		last = last[:0]
		for s, err := range h.History.Stamps(from, end) {
			if err != nil {
				break
			}
			last = append(last, s)
		}
		if from == start.Offset || len(last) >= maxTimes {
			return joinStamps(last, kept)
		}
	}
}

// stampsBytes is in how much output at the end the last stamps are looked for first, in bytes.
const stampsBytes = 1 << 20

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

// pointAt returns the start point at offset, which may be inside of a character.
func (h *Hub) pointAt(offset int64) StartPoint {
	if _, at, ok := h.pastPoint(offset); ok {
		return at
	}
	return h.joins.exact(offset)
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
	s.Line = s.Cursor.Line()
	return s
}

// reopen returns the snapshot for a viewer that has missed output, and whose cursor would continue at gap.
func (h *Hub) reopen(gap broadcaster.Start, v1 bool, gone <-chan struct{}) snapshot {
	if !gap.Past {
		return h.joins.reopen(gap, v1)
	}
	s, ok := h.startAt(gap.Offset, v1, gone)
	if !ok {
		return h.joins.reopen(gap, v1)
	}
	s.start.SkippedBytes = s.start.Offset - (gap.Offset - gap.SkippedBytes)
	s.start.SkippedLines = s.start.Line - (gap.Line - gap.SkippedLines)
	return s
}

// startAt returns the snapshot for a viewer that begins at offset, with a new terminal. ok is false if the output
// there is gone. gone is closed when the viewer has left.
func (h *Hub) startAt(offset int64, v1 bool, gone <-chan struct{}) (s snapshot, ok bool) {
	cursor, start, ok := h.Stream.Past(offset)
	if !ok {
		return s, false
	}
	prelude, ok := h.screenAt(offset, gone)
	if !ok {
		prelude = h.pointAt(offset).prelude()
	}
	s = snapshot{cursor: cursor, start: start, sharedStart: sharedStart{prelude: prelude, quoted: quote(prelude)}}
	switch {
	case v1 && start.Past:
		s.times = lastTimes(h.stamps(start))
	case v1:
		s = h.joins.addTimes(s)
	}
	return s, true
}
