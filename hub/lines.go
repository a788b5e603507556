package hub

import (
	"bytes"
	"unicode/utf8"

	"wsrun/broadcaster"
	"wsrun/screen"
)

// Lines are those of the normal screen before a program that fills it.
type Lines struct {
	StartPoint        // where they begin
	line       int64  // number of the first
	since      int64  // where the program began
	Text       []byte // nil if there are none
}

// linesUpTo returns the lines before an offset, of so many bytes at the most. mu must be
// held.
func (t *joinTracker) linesUpTo(look *broadcaster.Snapshot, since, most int64) (Lines, bool) {
	from := max(since-most, 0)
	parts, _, ok := look.Range(from, since)
	if !ok {
		from = look.Stats().Start
	} else if from > 0 { // within a line
		text := bytes.Join(parts, nil)
		cut := bytes.IndexByte(text, '\n') + 1
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		from += int64(cut)
	}
	return t.lastLinesBefore(look, since, from, -1)
}

// lastLinesBefore returns the last n lines of the output from an offset up to since; all if n
// is negative. It is false if that can't be read any more. mu must be held.
func (t *joinTracker) lastLinesBefore(look *broadcaster.Snapshot, since, from int64, n int) (Lines, bool) {
	parts, _, ok := look.Range(from, since)
	if !ok {
		return Lines{}, false
	}
	from = since - int64(len(lastLines(bytes.Join(parts, nil), n)))
	at, placed := t.startPoint(look, from, from)
	parts, line, ok := look.Range(at.Offset, since)
	return Lines{at, line, since, bytes.Join(parts, nil)}, placed && ok
}

// last returns the last n of the lines; all if n is negative.
func (k Lines) last(n int) Lines {
	text := lastLines(k.Text, n)
	gone := k.Text[:len(k.Text)-len(text)]
	head := append(bytes.Clone(k.Head), gone...)
	k.Head = head[k.State.Scan(head):]
	k.Offset += int64(len(gone))
	k.line += int64(bytes.Count(gone, []byte("\n")))
	k.Text = text
	return k
}

// lastLines returns the last n lines of text; all if n is negative.
func lastLines(text []byte, n int) []byte {
	from := len(text)
	for ; n != 0 && from > 0; n-- {
		from = bytes.LastIndexByte(text[:from-1], '\n') + 1
	}
	return text[from:]
}

// linesBeforePicture returns the last n lines before a picture, be they kept or in the
// ring; all if n is negative. It is false if there are none any more. mu must be held.
func (t *joinTracker) linesBeforePicture(look *broadcaster.Snapshot, p screen.Picture, n int) (Lines, bool) {
	start := look.Stats().Start
	if t.kept.Text != nil && t.kept.since == p.From && t.kept.Offset < start {
		return t.kept.last(n), true
	}
	return t.lastLinesBefore(look, p.From, start, n)
}

// linesBefore returns how many of the last n lines are before an offset; n if that is
// negative.
func linesBefore(look *broadcaster.Snapshot, n int, offset int64) int {
	if n < 0 {
		return n
	}
	parts, _, _ := look.Range(offset, look.Stats().End)
	for range bytes.Lines(bytes.Join(parts, nil)) {
		n--
	}
	return max(n, 0)
}
