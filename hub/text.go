package hub

import "wsrun/broadcaster"

// A TextStart is where a reader of text begins. All of it is from one moment of the stream and the
// screen. It is large: in frames, its copies would double the stacks of readers.
type TextStart struct {
	Cursor *broadcaster.Cursor // at Point, if that is still in the ring
	Start  broadcaster.Start   // the start that was asked for; Point is near it
	Point  StartPoint
	Line   int64 // number of the line that the byte at Point belongs to

	Before Lines  // lines from before a program that fills the screen
	Rows   []byte // the program's screen as text, if nothing else is to be shown after Before; otherwise nil
	Until  int64  // with Rows: where the program has begun, before which there is output at Cursor to be shown; 0 if there is none
}

// BeginText returns where a reader of text begins that asks for p. follow says that the reader
// also gets live output; only a reader that doesn't gets Rows.
func (h *Hub) BeginText(p Position, follow bool) *TextStart {
	p = h.Seek(p).Position
	s := h.beginPast(p)
	if s == nil {
		return h.joins.text(p, follow)
	}
	if !follow {
		s.Rows, s.Until = h.joins.screenRows()
	}
	return s
}

// BeginLines is BeginText for a reader of plain lines, which needs neither Before nor Rows.
func (h *Hub) BeginLines(p Position) *TextStart {
	p = h.Seek(p).Position
	if s := h.beginPast(p); s != nil {
		return s
	}
	return h.joins.lines(p)
}

// BeginBytes is BeginText for a reader of bytes, which may begin anywhere: Point is where Start is. Its state is known only
// if the reader needs it.
func (h *Hub) BeginBytes(p Position, state bool) *TextStart {
	p = h.Seek(p).Position
	cursor, start, ok := h.past(p)
	if !ok {
		cursor, start = h.Stream.Resume(p.Epoch, p.Offset, p.Lines)
	}
	s := &TextStart{Cursor: cursor, Start: start, Point: StartPoint{Offset: start.Offset}, Line: start.Line}
	if state {
		s.Point = h.pointAt(start.Offset)
	}
	return s
}

// BeginAfter returns where a reader of text continues that has missed output before gap. There is no Cursor if the
// output there is gone as well.
func (h *Hub) BeginAfter(gap broadcaster.Start) *TextStart {
	cursor, at := h.BeginNear(gap.Offset)
	s := &TextStart{Cursor: cursor, Start: gap, Point: at, Line: gap.Line}
	if cursor != nil {
		s.Line = cursor.Line()
	}
	return s
}

// BeginNear returns a start point near offset and a cursor there, for a reader that has missed output and
// continues at offset. The cursor is nil if the output there is gone as well.
func (h *Hub) BeginNear(offset int64) (*broadcaster.Cursor, StartPoint) {
	if cursor, at, ok := h.pastPoint(offset); ok {
		return cursor, at
	}
	return h.joins.near(offset)
}

// text implements [Hub.BeginText].
func (t *joinTracker) text(p Position, follow bool) *TextStart {
	t.mu.Lock()
	defer t.release()
	ring := t.stream.Snapshot()
	s := t.startNear(ring, p)
	s.Before, s.Rows = t.rows(ring, s.Start, p.Lines, follow)
	return s
}

// screenRows returns the screen as text, and where the program has begun that fills it; nil if there is none.
func (t *joinTracker) screenRows() (rows []byte, since int64) {
	t.mu.Lock()
	defer t.release()
	t.refreshPicture(rowsTime)
	return t.picture.Text, t.picture.From
}

// lines implements [Hub.BeginLines].
func (t *joinTracker) lines(p Position) *TextStart {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.startNear(t.stream.Snapshot(), p)
}

// near implements [Hub.BeginNear].
func (t *joinTracker) near(offset int64) (*broadcaster.Cursor, StartPoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ring := t.stream.Snapshot()
	at := t.nearestStartPoint(ring, offset)
	cursor, _, _ := ring.At(at.Offset)
	return cursor, at
}

// exact returns the start point at an offset in the ring.
func (t *joinTracker) exact(offset int64) StartPoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.exactPoint(t.stream.Snapshot(), offset)
}

// startNear returns where a reader of text begins, without Before and Rows. mu must be held.
func (t *joinTracker) startNear(ring *broadcaster.Snapshot, p Position) *TextStart {
	s := &TextStart{}
	s.Cursor, s.Start = ring.Resume(p.Epoch, p.Offset, p.Lines)
	s.Point = t.nearestStartPoint(ring, s.Start.Offset)
	if s.Point.Offset != s.Start.Offset {
		if moved, _, ok := ring.At(s.Point.Offset); ok {
			s.Cursor = moved
		}
	}
	s.Line = s.Cursor.Line()
	return s
}

// rows returns the screen as text if a program fills it and the reader doesn't follow, otherwise
// nil. It also returns the lines from before that program, or from before the program whose output
// start is inside of: those of the last n lines that lie there (all if n is negative), or if the
// reader has resumed, the output from start on. mu must be held.
func (t *joinTracker) rows(ring *broadcaster.Snapshot, start broadcaster.Start, n int, follow bool) (before Lines, rows []byte) {
	t.refreshPicture(rowsTime)
	p := &t.picture
	if !follow {
		rows = p.Text
	}
	switch {
	case rows != nil && start.Resumed:
		lines, _ := t.lastLinesBefore(ring, p.From, start.Offset, -1)
		before = t.share(ring, lines)
	case rows != nil:
		before = t.shareBefore(ring, n)
	case within(start.Offset, *p) && !start.Resumed:
		before = t.shareBefore(ring, linesBefore(ring, n, p.To))
	}
	return before, rows
}

// shareBefore shares the last n lines before the picture, or all of them if n is negative. mu must be held.
func (t *joinTracker) shareBefore(ring *broadcaster.Snapshot, n int) Lines {
	lines, _ := t.linesBeforePicture(ring, t.picture, n)
	return t.share(ring, lines)
}
