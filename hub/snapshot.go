package hub

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
	"wsrun/screen"
)

const (
	// rowsTime, and followTime on top of it, is how old rows may be that are given as text
	// with nothing to follow: those of a large screen cost 30 ms.
	rowsTime = 50 * time.Millisecond
	// joinTries is how often a viewer is placed: the picture may be too old, but a new one
	// only if the screen is.
	joinTries = 2
	// maxTimes is how many times of lines a joining viewer gets: the last ones.
	maxTimes = 4096
)

// A Position is where a viewer asks to begin.
type Position struct {
	Lines  int    // of backlog; negative for all that is kept
	Epoch  string // with Offset: where to resume
	Offset int64  // negative where there is none
}

// A Join is where and how a WebSocket begins.
type Join struct {
	Position
	Deflate bool // unless the viewer asked for none
}

// A snapshot is everything that a joining viewer needs, from one look at the stream and the
// screen.
type snapshot struct {
	cursor *broadcaster.Cursor
	start  broadcaster.Start
	opening
	times []byte // of the lines from there on, as JSON; only for wsrun.v1
}

// An opening is what puts a new terminal into the state at an offset. All that join there
// share it.
type opening struct {
	openingKey
	offset  int64               // of the next byte
	size    broadcaster.Resize  // of the picture
	prelude []byte              // for the terminal
	quoted  []byte              // prelude as JSON
	kept    *protocol.KeptEvent // which of it are lines of output
}

// An openingKey is what openings that are alike have in common: where the ring would begin,
// or the picture's offset and how many lines before it were asked for.
type openingKey struct {
	start, picture int64
	lines          int
}

// NoPrelude is an empty one, as JSON.
var NoPrelude = []byte(`""`)

// open returns the snapshot for a viewer that asks for a position.
func (t *joinTracker) open(p Position, v1 bool) snapshot {
	t.mu.Lock()
	defer t.release()
	look := t.stream.Snapshot()
	if cursor, start := look.Resume(p.Epoch, p.Offset, p.Lines); start.Resumed {
		s := snapshot{cursor: cursor, start: start, opening: opening{quoted: NoPrelude}}
		return t.withTimes(s, look, v1)
	}
	return t.withTimes(t.join(look, p.Lines), look, v1)
}

// reopen is open for a viewer that has fallen out of the ring and was to go on at gap.
func (t *joinTracker) reopen(gap broadcaster.Start, v1 bool) snapshot {
	t.mu.Lock()
	defer t.release()
	look := t.stream.Snapshot()
	s := t.withTimes(t.join(look, -1), look, v1)
	first, line := s.start.Offset, s.start.Line
	if s.kept != nil {
		first, line = s.kept.Offset, s.kept.Line
	}
	s.start.SkippedBytes = max(first-(gap.Offset-gap.SkippedBytes), 0)
	s.start.SkippedLines = max(line-(gap.Line-gap.SkippedLines), 0)
	return s
}

// withTimes adds the times to a snapshot of a look, if they are wanted. mu must be held.
func (t *joinTracker) withTimes(s snapshot, look *broadcaster.Snapshot, wanted bool) snapshot {
	if !wanted {
		return s
	}
	from := s.start.Offset
	if s.kept != nil {
		from = s.kept.Offset
	}
	if t.times.look != look || t.times.from != from {
		t.times = sharedTimes{look, from, encodeTimes(look.Stamps(from))}
	}
	s.times = t.times.json
	return s
}

// sharedTimes are those of the lines from an offset on, as of a look.
type sharedTimes struct {
	look *broadcaster.Snapshot
	from int64
	json []byte
}

// encodeTimes returns the last maxTimes stamps as [[offset,ms],…].
func encodeTimes(stamps []broadcaster.Stamp) []byte {
	stamps = stamps[max(len(stamps)-maxTimes, 0):]
	b := []byte{'['}
	for i, s := range stamps {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, '['), s.Offset, 10), ',')
		b = append(strconv.AppendInt(b, s.UnixMilli, 10), ']')
	}
	return append(b, ']')
}

// join returns the snapshot for a new viewer that is to get the last n lines, all if n is
// negative. mu must be held.
func (t *joinTracker) join(look *broadcaster.Snapshot, n int) snapshot {
	for range joinTries {
		t.refreshPicture(pictureTime)
		o := t.opening(look, n)
		cursor, at, ok := look.At(o.offset)
		if !ok {
			t.picture = screen.Picture{}
			continue
		}
		if o.picture != 0 {
			at.Size = o.size
		}
		return snapshot{cursor: cursor, start: at, opening: o}
	}
	cursor, start := look.Open(n)
	state, _ := t.screen.StateAt(start.Offset)
	prelude := state.Append(nil)
	return snapshot{cursor: cursor, start: start, opening: opening{prelude: prelude, quoted: quote(prelude)}}
}

// opening returns the opening for the last n lines. mu must be held.
func (t *joinTracker) opening(look *broadcaster.Snapshot, n int) opening {
	_, start := look.Open(n)
	p, key := t.picture, openingKey{start: start.Offset}
	if p.Text != nil {
		key = openingKey{picture: p.To, lines: n}
	} else if within(start.Offset, p) {
		key = openingKey{picture: p.To, lines: linesBefore(look, n, p.To)}
	}
	if t.shared.quoted != nil && t.shared.openingKey == key {
		return t.shared
	}
	o := opening{openingKey: key}
	if key.picture != 0 {
		t.compose(look, &o, p)
	} else {
		at := t.nearestStartPoint(look, start.Offset)
		o.prelude, o.offset = at.prelude(), at.Offset
	}
	o.quoted = quote(o.prelude)
	t.shared = o
	return o
}

// within reports whether an offset is behind a picture's beginning and before its end.
func within(offset int64, p screen.Picture) bool { return offset > p.From && offset < p.To }

// compose makes an opening of lines and a picture. mu must be held.
func (t *joinTracker) compose(look *broadcaster.Snapshot, o *opening, p screen.Picture) {
	o.offset, o.size = p.To, broadcaster.Resize{Cols: p.Cols, Rows: p.Rows}
	if before, ok := t.linesBeforePicture(look, p, o.lines); ok {
		o.prelude = before.prelude()
		from := len(drawn(o.prelude))
		o.prelude = append(o.prelude, before.Text...)
		o.kept = &protocol.KeptEvent{Offset: before.Offset, Line: before.line, From: from, To: len(drawn(o.prelude))}
	} else { // it was too late to keep any
		o.prelude = p.Before.Append(nil)
	}
	o.prelude = append(o.prelude, p.Prelude...)
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
