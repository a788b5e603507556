package hub

import (
	"bytes"
	"unicode/utf8"

	"wsrun/internal/plaintext"
	"wsrun/screen"
)

// Lines are those of the normal screen before a program that fills it.
type Lines struct {
	Place        // where they begin
	line  int64  // number of the first
	since int64  // where the program began
	Text  []byte // nil if there are none
}

// tail returns the lines before an offset, of so many bytes at the most. mu must be
// held.
func (l *late) tail(since, most int64) (Lines, bool) {
	from := max(since-most, 0)
	parts, _, ok := l.stream.Range(from, since)
	if !ok {
		from = l.stream.Stats().Start
	} else if from > 0 { // within a line
		text := bytes.Join(parts, nil)
		cut := bytes.IndexByte(text, '\n') + 1
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		from += int64(cut)
	}
	return l.before(since, from, -1)
}

// before returns the last n lines of the output from an offset up to since; all if n
// is negative. It is false if that can't be read any more. mu must be held.
func (l *late) before(since, from int64, n int) (Lines, bool) {
	parts, _, ok := l.stream.Range(from, since)
	if !ok {
		return Lines{}, false
	}
	from = since - int64(len(lastLines(bytes.Join(parts, nil), n)))
	at, placed := l.place(from, from)
	parts, line, ok := l.stream.Range(at.Offset, since)
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

// beforePicture returns the last n lines before a picture, be they kept or in the
// ring; all if n is negative. It is false if there are none any more. mu must be held.
func (l *late) beforePicture(p screen.Picture, n int) (Lines, bool) {
	start := l.stream.Stats().Start
	if l.kept.Text != nil && l.kept.since == p.From && l.kept.Offset < start {
		return l.kept.last(n), true
	}
	return l.before(p.From, start, n)
}

// reach returns how many of the last n lines are before an offset; n if that is
// negative. mu must be held.
func (l *late) reach(n int, offset int64) int {
	if n < 0 {
		return n
	}
	parts, _, _ := l.stream.Range(offset, l.stream.Stats().End)
	for range bytes.Lines(bytes.Join(parts, nil)) {
		n--
	}
	return max(n, 0)
}

// A Place is one in the output where a viewer can begin.
type Place struct {
	Offset int64
	State  screen.State // of the terminal
	Head   []byte       // of the control sequence that the place is within; mostly empty
}

// prelude puts a new terminal into the state at the place.
func (p Place) prelude() []byte { return append(p.State.Append(nil), p.Head...) }

// place returns the first place from an offset on that is outside of control
// sequences, but not behind most; or the beginning of the character that the offset
// is within. It is false if the output before that can't be read any more. mu must be
// held.
func (l *late) place(from, most int64) (Place, bool) {
	state, at := l.screen.StateAt(from)
	parts, _, ok := l.stream.Range(at, most)
	if at > from || !ok {
		return Place{}, false
	}
	text := bytes.Join(parts, nil)
	n, head := state.ScanTo(text, int(from-at))
	var last plaintext.Decoder
	last.Decode(text[max(n-utf8.UTFMax, 0):n])
	cut := last.Pending()
	return Place{at + int64(n-cut), state, head[:max(len(head)-cut, 0)]}, true
}

// nearest is place for those who begin there whatever is known: if the output before
// can't be read any more, the state is the last one known. mu must be held.
func (l *late) nearest(from int64) Place {
	if at, ok := l.place(from, min(from+screenStep, l.stream.Stats().End)); ok {
		return at
	}
	state, _ := l.screen.StateAt(from)
	return Place{Offset: from, State: state}
}
