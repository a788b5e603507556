package hub

import (
	"bytes"
	"encoding/json"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
	"wsrun/screen"
)

const (
	// rowsTime, and lateTime on top of it, is how old rows may be that are given as text,
	// behind which nothing comes: those of a large screen cost 30 ms.
	rowsTime = 50 * time.Millisecond
	// joinTries is how often a viewer is placed: the picture may be too old, but a new
	// one only if the screen is.
	joinTries = 2
)

// A Position is where a viewer asks to begin.
type Position struct {
	Lines  int    // of backlog; negative when not said
	Epoch  string // with offset: where to resume
	Offset int64  // negative when not said
}

// A Join is where and how a WebSocket begins.
type Join struct {
	Position
	Deflate bool // unless the viewer asked for none
}

// An opening is how a viewer begins.
type opening struct {
	joined
	offset  int64               // of the next byte
	size    broadcaster.Resize  // of the picture
	prelude []byte              // puts a new terminal into the state at offset
	quoted  []byte              // prelude as JSON
	kept    *protocol.KeptEvent // which of it are lines of output
}

// joined is what openings that are alike have in common: where the ring would begin,
// or the picture's offset and how many lines before it were asked for.
type joined struct {
	start, picture int64
	lines          int
}

// NoPrelude is an empty one, as JSON.
var NoPrelude = []byte(`""`)

// open returns a cursor and how a viewer begins there.
func (l *late) open(q Position) (*broadcaster.Cursor, broadcaster.Start, opening) {
	cursor, start := l.stream.Resume(q.Epoch, q.Offset, q.Lines)
	if start.Resumed {
		return cursor, start, opening{quoted: NoPrelude}
	}
	return l.join(q.Lines)
}

// reopen is open for a viewer that has fallen out of the ring and was to go on at
// gap.
func (l *late) reopen(gap broadcaster.Start) (*broadcaster.Cursor, broadcaster.Start, opening) {
	cursor, start, o := l.join(-1)
	first, line := start.Offset, start.Line
	if o.kept != nil {
		first, line = o.kept.Offset, o.kept.Line
	}
	start.SkippedBytes = max(first-(gap.Offset-gap.SkippedBytes), 0)
	start.SkippedLines = max(line-(gap.Line-gap.SkippedLines), 0)
	return cursor, start, o
}

// join returns a cursor for a new viewer that is to get the last n lines, all if n is
// negative, and what puts a terminal into the state there.
func (l *late) join(n int) (*broadcaster.Cursor, broadcaster.Start, opening) {
	l.mu.Lock()
	defer l.release()
	for range joinTries {
		l.look(pictureTime)
		o := l.opening(n)
		cursor, at, ok := l.stream.At(o.offset)
		if !ok {
			l.picture = screen.Picture{}
			continue
		}
		if o.kept != nil {
			at.Stamps = l.stream.Stamps(o.kept.Offset)
		}
		if o.picture != 0 {
			at.Size = o.size
		}
		return cursor, at, o
	}
	cursor, start := l.stream.Open(n)
	state, _ := l.screen.StateAt(start.Offset)
	prelude := state.Append(nil)
	return cursor, start, opening{prelude: prelude, quoted: quote(prelude)}
}

// opening makes what join returns. mu must be held.
func (l *late) opening(n int) opening {
	_, start := l.stream.Open(n)
	p, key := l.picture, joined{start: start.Offset}
	if p.Text != nil {
		key = joined{picture: p.To, lines: n}
	} else if within(start.Offset, p) {
		key = joined{picture: p.To, lines: l.reach(n, p.To)}
	}
	if l.shared.quoted != nil && l.shared.joined == key {
		return l.shared
	}
	o := opening{joined: key}
	if key.picture != 0 {
		l.compose(&o, p)
	} else {
		at := l.nearest(start.Offset)
		o.prelude, o.offset = at.prelude(), at.Offset
	}
	o.quoted = quote(o.prelude)
	l.shared = o
	return o
}

// within tells whether an offset is behind a picture's beginning and before its end.
func within(offset int64, p screen.Picture) bool { return offset > p.From && offset < p.To }

// compose makes an opening of lines and a picture. mu must be held.
func (l *late) compose(o *opening, p screen.Picture) {
	o.offset, o.size = p.To, broadcaster.Resize{Cols: p.Cols, Rows: p.Rows}
	if before, ok := l.beforePicture(p, o.lines); ok {
		o.prelude = before.prelude()
		from := len(drawn(o.prelude))
		o.prelude = append(o.prelude, before.Text...)
		o.kept = &protocol.KeptEvent{Offset: before.Offset, Line: before.line, From: from, To: len(drawn(o.prelude))}
	} else { // it was too late to keep any
		o.prelude = p.Before.Append(nil)
	}
	o.prelude = append(o.prelude, p.Prelude...)
}

// Near is nearest for the forms that are text.
func (l *late) near(from int64) Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nearest(from)
}

// Rows returns the screen as text if a program fills it and is not to be followed, else
// nil; and the lines before that, or before the program whose output start is within:
// of the last n lines those that are there, all if n is negative, or what is behind
// start if that is resumed.
func (l *late) rows(start broadcaster.Start, n int, follow bool) (before Lines, rows []byte) {
	l.mu.Lock()
	defer l.release()
	l.look(rowsTime)
	p := l.picture
	if !follow {
		rows = p.Text
	}
	switch {
	case rows != nil && start.Resumed:
		before, _ = l.before(p.From, start.Offset, -1)
	case rows != nil:
		before, _ = l.beforePicture(p, n)
	case within(start.Offset, p) && !start.Resumed:
		before, _ = l.beforePicture(p, l.reach(n, p.To))
	}
	return before, rows
}

// drawn returns what a browser's terminal draws of text: it drops what is not UTF-8.
func drawn(text []byte) []byte { return bytes.ToValidUTF8(text, nil) }

// quote returns what is drawn of text as a string in JSON.
func quote(text []byte) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(drawn(text))); err != nil {
		panic(err) // a string can't fail
	}
	return bytes.TrimSpace(b.Bytes())
}
