package history

import (
	"bytes"
	"errors"
	"sort"
	"unicode/utf8"

	"wsrun/broadcaster"
)

// A Place is a place at which a line begins.
type Place struct{ Offset, Line int64 }

// First returns the place at which the oldest line begins that is kept as a whole. If the history has only
// the rest of a single line, that is where the rest begins. ok is false if the history has nothing.
func (l *Log) First() (first Place, ok bool) {
	l.store.mu.Lock()
	ok = len(l.index.entries) > 0
	at, known := l.index.after(0), l.first
	l.store.mu.Unlock()
	switch {
	case !ok:
		return Place{at.offset, at.line + 1}, false
	case known.of == at:
		return known.Place, true
	}
	start := l.oldest(at)
	first = Place{start.Offset, start.Line}
	if at.begins || first.Offset-at.offset >= utf8.UTFMax { // a line was found: oldest may skip less for a character
		l.store.mu.Lock()
		l.first = firstLine{of: at, Place: first}
		l.store.mu.Unlock()
	}
	return first, true
}

// A firstLine is what First has found for a log whose first block begins at a place.
type firstLine struct {
	of place
	Place
}

// oldest returns where a reader begins whose place has been dropped: at the first line that begins at or
// after the place at, or there if no line does.
func (l *Log) oldest(at place) broadcaster.Start {
	start := at.start()
	line, err := l.LineFrom(at.offset)
	if err == nil {
		start.Offset, start.Line = line.Offset, line.Line
		if s, ok := l.At(line.Offset); ok {
			start = s
		}
		return start
	}
	if p, err := l.Output(at.offset); err == nil {
		for i := 0; i < utf8.UTFMax-1 && i < len(p) && !utf8.RuneStart(p[i]); i++ {
			start.Offset++
		}
	}
	return start
}

// LineFrom returns the first line that begins at or after offset. The error is ErrAhead if that isn't in
// the history.
func (l *Log) LineFrom(offset int64) (Place, error) {
	for {
		l.store.mu.Lock()
		e, ok := l.index.at(offset)
		if !ok {
			at := l.index.after(offset)
			if e, ok = l.index.at(at.offset); !ok && at.begins && at.offset >= offset {
				l.store.mu.Unlock()
				return Place{at.offset, at.line + 1}, nil
			}
		}
		l.store.mu.Unlock()
		switch from := max(offset-e.offset-1, 0); {
		case !ok:
			return Place{}, ErrAhead
		case e.begins && offset <= e.offset:
			return Place{e.offset, e.line + 1}, nil
		case e.newlines > 0:
			p, err := l.output(&e)
			if errors.Is(err, ErrGone) {
				break
			}
			if i := bytes.IndexByte(p[from:], '\n'); i >= 0 {
				n := from + int64(i) + 1
				return Place{e.offset + n, e.line + int64(bytes.Count(p[:n], newline)) + 1}, nil
			}
		}
		offset = e.end()
	}
}

// Line returns where line n begins. If that is gone, it returns the next place at which a line begins. The
// error is ErrAhead if the line begins after the history's end.
func (l *Log) Line(n int64) (Place, error) {
	first, ok := l.First()
	if !ok {
		return first, ErrAhead
	}
	if n <= first.Line {
		return first, nil
	}
	l.store.mu.Lock()
	x := &l.index
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].line >= n-1 }) - 1
	if n-1 > x.next.line || i < 0 {
		l.store.mu.Unlock()
		return Place{}, ErrAhead
	}
	e := x.entries[i]
	l.store.mu.Unlock()
	p, err := l.output(&e)
	if err != nil || e.line+int64(e.newlines) < n-1 {
		return l.LineFrom(e.end())
	}
	at := 0
	for range n - 1 - e.line {
		at += bytes.IndexByte(p[at:], '\n') + 1
	}
	return Place{e.offset + int64(at), n}, nil
}

// LineAt returns the number of the line that the byte at offset belongs to. The error is ErrGone or
// ErrAhead.
func (l *Log) LineAt(offset int64) (int64, error) {
	e, err := l.find(offset)
	if err != nil {
		return 0, err
	}
	p, err := l.output(&e)
	if err != nil {
		return 0, err
	}
	return e.line + int64(bytes.Count(p[:offset-e.offset], newline)) + 1, nil
}

// At implements [broadcaster.History].
func (l *Log) At(offset int64) (broadcaster.Start, bool) {
	line, err := l.LineAt(offset)
	if err != nil {
		return broadcaster.Start{}, false
	}
	size, err := l.sizeAt(offset)
	return broadcaster.Start{Offset: offset, Line: line, Size: size}, err == nil
}
