package hub

import "wsrun/broadcaster"

// A TextStart is where a reader of text begins, from one look at the stream and the screen.
type TextStart struct {
	Cursor *broadcaster.Cursor // at Place
	Start  broadcaster.Start   // that was asked for; Place is near it
	Point  StartPoint

	Before Lines  // before a program that fills the screen
	Rows   []byte // of that screen, if nothing else is to be shown; else nil
}

// BeginText returns where a reader of text begins that asks for a position; follow says that
// it gets what follows as well.
func (h *Hub) BeginText(p Position, follow bool) TextStart { return h.joins.text(p, follow) }

// BeginLines is BeginText for a reader of lines alone, which the screen is nothing to.
func (h *Hub) BeginLines(p Position) TextStart { return h.joins.lines(p) }

// BeginNear returns a cursor at a place near an offset, for a reader that has fallen out of
// the ring and goes on there.
func (h *Hub) BeginNear(offset int64) (*broadcaster.Cursor, StartPoint) { return h.joins.near(offset) }

// text is [Hub.BeginText].
func (t *joinTracker) text(p Position, follow bool) TextStart {
	t.mu.Lock()
	defer t.release()
	look := t.stream.Snapshot()
	s := t.startNear(look, p)
	s.Before, s.Rows = t.rows(look, s.Start, p.Lines, follow)
	return s
}

// lines is [Hub.BeginLines].
func (t *joinTracker) lines(p Position) TextStart {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.startNear(t.stream.Snapshot(), p)
}

// near is [Hub.BeginNear].
func (t *joinTracker) near(offset int64) (*broadcaster.Cursor, StartPoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	look := t.stream.Snapshot()
	at := t.nearestStartPoint(look, offset)
	if cursor, _, ok := look.At(at.Offset); ok {
		return cursor, at
	}
	cursor, start := look.Open(-1) // it has fallen out once more
	return cursor, t.nearestStartPoint(look, start.Offset)
}

// startNear returns where a reader of text begins, without what is before a program. mu must
// be held.
func (t *joinTracker) startNear(look *broadcaster.Snapshot, p Position) TextStart {
	cursor, start := look.Resume(p.Epoch, p.Offset, p.Lines)
	at := t.nearestStartPoint(look, start.Offset)
	if at.Offset != start.Offset {
		if moved, _, ok := look.At(at.Offset); ok {
			cursor = moved
		}
	}
	return TextStart{Cursor: cursor, Start: start, Point: at}
}

// rows returns the screen as text if a program fills it and is not to be followed, else
// nil; and the lines before that, or before the program whose output start is within:
// of the last n lines those that are there, all if n is negative, or what is behind
// start if that is resumed. mu must be held.
func (t *joinTracker) rows(look *broadcaster.Snapshot, start broadcaster.Start, n int, follow bool) (before Lines, rows []byte) {
	t.refreshPicture(rowsTime)
	p := t.picture
	if !follow {
		rows = p.Text
	}
	switch {
	case rows != nil && start.Resumed:
		before, _ = t.lastLinesBefore(look, p.From, start.Offset, -1)
	case rows != nil:
		before, _ = t.linesBeforePicture(look, p, n)
	case within(start.Offset, p) && !start.Resumed:
		before, _ = t.linesBeforePicture(look, p, linesBefore(look, n, p.To))
	}
	return before, rows
}
