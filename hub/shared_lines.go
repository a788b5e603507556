package hub

import (
	"bytes"
	"iter"

	"wsrun/broadcaster"
)

// Lines are lines from before a program that fills the screen, for a reader that may take its time. It
// holds only the piece that it is reading: the ring's blocks are far more.
type Lines struct {
	StartPoint       // where the lines begin
	Newlines   int64 // how many there are

	tracker *joinTracker
	end     int64  // the offset at which the lines end
	copied  []byte // the lines; nil if they have to be looked up
}

// Pieces returns the lines in pieces of at most size bytes. It stops early if a reader is so slow that the
// lines are gone.
func (l Lines) Pieces(size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := l.Offset; at < l.end; {
			piece := l.piece(at, min(at+int64(size), l.end))
			if len(piece) == 0 || !yield(piece) {
				return
			}
			at += int64(len(piece))
		}
	}
}

// piece returns the first bytes between two offsets of the lines; none if they are gone.
func (l Lines) piece(from, to int64) []byte {
	if l.copied != nil {
		return l.copied[from-l.Offset : to-l.Offset]
	}
	parts, _, ok := l.tracker.stream.Range(from, to)
	if former := l.tracker.former.Load(); !ok && former != nil {
		parts, _, ok = former.Range(from, to)
	}
	if !ok {
		return nil
	}
	return parts[0]
}

// A formerRing is the ring as it was while it still held the lines before a program. It is given up once the
// ring has dropped as much output after the lines as they are long: otherwise slow readers would keep ever
// more blocks in memory.
type formerRing struct {
	*broadcaster.Snapshot
	since int64 // the offset at which the program began
}

// isPast reports whether the ring must be given up now that the stream's ring starts at an offset.
func (f *formerRing) isPast(start int64) bool { return start-f.since > f.since-f.Stats().Start }

// share makes lines that are in the ring, or copied, available to readers. mu must be held.
func (t *joinTracker) share(ring *broadcaster.Snapshot, k lines) Lines {
	l := Lines{StartPoint: k.StartPoint, tracker: t, end: k.Offset + int64(sizeOf(k.text))}
	if l.end == l.Offset {
		return l
	}
	if k.copied {
		l.copied = k.text[0]
		l.Newlines = int64(bytes.Count(l.copied, []byte("\n")))
		return l
	}
	_, line, _ := ring.Range(l.end, l.end)
	l.Newlines = line - k.line
	if former := t.former.Load(); former == nil || former.since != k.since {
		t.former.Store(&formerRing{ring, k.since})
	}
	return l
}
