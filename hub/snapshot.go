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
	// rowsTime is how old, on top of followTime, a screen may be that is given as text to a
	// reader that doesn't follow. A large screen is expensive to turn into text
	// (docs/facts.md, hub).
	rowsTime = 50 * time.Millisecond
	// joinTries is how often a picture is tried as a joining viewer's start. The first one may
	// be too old, and a new one is too old only if the screen itself is behind.
	joinTries = 2
	// maxTimes is the most line times that a joining viewer gets: the last ones.
	maxTimes = 4096
)

// A Position is where a viewer asks to begin: at an offset, a line or a time, or else so many lines before the
// end. If Epoch is the stream's and the byte at Offset is still available, the viewer resumes at that byte.
// Otherwise it gets backlog.
type Position struct {
	Lines  int    // lines of backlog; if negative, all that the ring keeps
	Epoch  string // of the run that Offset is in
	Offset int64  // of the next byte that the viewer needs; negative if it doesn't resume
	Line   int64  // number of the first line, from 1; 0 if the viewer doesn't ask for one
	Time   int64  // in ms since 1970, for the first line from then on; 0 if the viewer doesn't ask for one

	run Run // of Epoch, once [Hub.Locate] has found it
}

// A Join is where and how a WebSocket viewer begins.
type Join struct {
	Position
	Deflate bool      // compress output, if both the server and the client support it
	Filter  NewFilter // passes on what the viewer is sent; nil if that is all
}

// A snapshot is everything that a joining viewer needs, from one moment of the stream and the
// screen.
type snapshot struct {
	cursor *broadcaster.Cursor
	start  broadcaster.Start
	sharedStart
	times []byte // of the lines from the start on, as JSON; only for wsrun.v1
}

// A sharedStart is what puts a new terminal into the state at an offset. All viewers that join
// there share it.
type sharedStart struct {
	startKey
	offset  int64               // of the next byte
	size    broadcaster.Resize  // of the picture
	prelude []byte              // what the terminal gets
	quoted  []byte              // prelude as JSON
	kept    *protocol.KeptEvent // which part of prelude is lines of output; nil if none is
	long    *longStart          // in place of prelude and quoted, if there are many lines; nil if not
}

// A startKey identifies a sharedStart: by the offset at which the ring's lines would begin, or by
// the picture's offset and the number of lines asked for before the picture.
type startKey struct {
	start, picture int64
	lines          int
}

// NoPrelude is an empty prelude as JSON. It must not be changed.
var NoPrelude = []byte(`""`)

// open returns the snapshot for a viewer that asks for a position.
func (t *joinTracker) open(p Position, v1 bool) snapshot {
	t.mu.Lock()
	defer t.release()
	ring := t.stream.Snapshot()
	if cursor, start := ring.Resume(p.Epoch, p.Offset, p.Lines); start.Resumed {
		s := snapshot{cursor: cursor, start: start, sharedStart: sharedStart{quoted: NoPrelude}}
		return t.withTimes(s, ring, v1)
	}
	return t.withTimes(t.join(ring, p.Lines), ring, v1)
}

// reopen is open for a viewer that has fallen out of the ring, whose cursor would continue at gap.
func (t *joinTracker) reopen(gap broadcaster.Start, v1 bool) snapshot {
	t.mu.Lock()
	defer t.release()
	ring := t.stream.Snapshot()
	s := t.withTimes(t.join(ring, -1), ring, v1)
	first, line := s.start.Offset, s.start.Line
	if s.kept != nil {
		first, line = s.kept.Offset, s.kept.Line
	}
	s.start.SkippedBytes = max(first-(gap.Offset-gap.SkippedBytes), 0)
	s.start.SkippedLines = max(line-(gap.Line-gap.SkippedLines), 0)
	return s
}

// withTimes adds line times to a snapshot that was made from ring, if they are wanted. mu must be
// held.
func (t *joinTracker) withTimes(s snapshot, ring *broadcaster.Snapshot, wanted bool) snapshot {
	if !wanted {
		return s
	}
	from := s.start.Offset
	if s.kept != nil {
		from = s.kept.Offset
	}
	s.times = t.timesFrom(ring, from)
	return s
}

// addTimes adds line times to a snapshot that begins in the ring.
func (t *joinTracker) addTimes(s snapshot) snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.withTimes(s, t.stream.Snapshot(), true)
}

// timesFrom returns the times of the lines from an offset on, which is in the ring. mu must be held.
func (t *joinTracker) timesFrom(ring *broadcaster.Snapshot, from int64) []byte {
	if chunks := ring.Stats().Chunks; t.times.json == nil || t.times.chunks != chunks {
		json, ends := encodeTimes(lastOf(ring.Stamps(0)))
		t.times = sharedTimes{chunks, json, ends}
	}
	n := len(lastOf(ring.Stamps(from)))
	if before := len(t.times.ends) - n; before > 0 && n > 0 {
		return t.times.json[t.times.ends[before-1]+len(","):]
	}
	return t.times.json
}

// sharedTimes are the times of all lines that the ring keeps, after so many chunks. The times of those from an offset
// on are at the end of json.
type sharedTimes struct {
	chunks int64
	json   []byte
	ends   []int // where each stamp in json ends
}

// lastOf returns the last maxTimes stamps.
func lastOf(stamps []broadcaster.Stamp) []broadcaster.Stamp {
	return stamps[max(len(stamps)-maxTimes, 0):]
}

// lastTimes returns the last maxTimes stamps as [offset,ms],…
func lastTimes(stamps []broadcaster.Stamp) []byte {
	json, _ := encodeTimes(lastOf(stamps))
	return json
}

// encodeTimes returns stamps as [offset,ms],…, and where each one ends.
func encodeTimes(stamps []broadcaster.Stamp) (json []byte, ends []int) {
	json, ends = []byte{}, make([]int, 0, len(stamps))
	for i, s := range stamps {
		if i > 0 {
			json = append(json, ',')
		}
		json = append(strconv.AppendInt(append(json, '['), s.Offset, 10), ',')
		json = append(strconv.AppendInt(json, s.UnixMilli, 10), ']')
		ends = append(ends, len(json))
	}
	return json, ends
}

// join returns the snapshot for a new viewer that gets the last n lines, or all if n is negative. mu
// must be held.
func (t *joinTracker) join(ring *broadcaster.Snapshot, n int) snapshot {
	for range joinTries {
		t.refreshPicture(pictureTime)
		shared := t.startFor(ring, n)
		cursor, at, ok := ring.At(shared.offset)
		if !ok {
			t.picture = screen.Picture{}
			continue
		}
		if shared.picture != 0 {
			at.Size = shared.size
		}
		return snapshot{cursor: cursor, start: at, sharedStart: shared}
	}
	cursor, start := ring.Open(n)
	state, _ := t.screen.StateAt(start.Offset)
	prelude := state.Append(nil)
	return snapshot{cursor: cursor, start: start, sharedStart: sharedStart{prelude: prelude, quoted: quote(prelude)}}
}

// startFor returns the shared start for viewers that get the last n lines. mu must be held.
func (t *joinTracker) startFor(ring *broadcaster.Snapshot, n int) sharedStart {
	_, start := ring.Open(n)
	p, key := t.picture, startKey{start: start.Offset}
	if p.Text != nil {
		key = startKey{picture: p.To, lines: n}
	} else if within(start.Offset, p) {
		key = startKey{picture: p.To, lines: linesBefore(ring, n, p.To)}
	}
	if (t.shared.quoted != nil || t.shared.long != nil) && t.shared.startKey == key {
		return t.shared
	}
	s := sharedStart{startKey: key}
	if key.picture != 0 {
		t.compose(ring, &s, p)
	} else {
		at := t.nearestStartPoint(ring, start.Offset)
		s.prelude, s.offset = at.prelude(), at.Offset
	}
	if s.long == nil {
		s.quoted = quote(s.prelude)
	}
	t.shared = s
	return s
}

// within reports whether an offset lies after a picture's beginning and before its end.
func within(offset int64, p screen.Picture) bool { return offset > p.From && offset < p.To }

// compose fills a shared start with lines and a picture. mu must be held.
func (t *joinTracker) compose(ring *broadcaster.Snapshot, s *sharedStart, p screen.Picture) {
	s.offset, s.size = p.To, broadcaster.Resize{Cols: p.Cols, Rows: p.Rows}
	before, ok := t.linesBeforePicture(ring, p, s.lines)
	switch {
	case !ok: // the lines were gone before they could be kept
		s.prelude = p.Before.Append(nil)
	case sizeOf(before.text) > maxCopied:
		s.long = newLongStart(before.prelude(), t.share(ring, before), p.Prelude)
		s.kept = &protocol.KeptEvent{Offset: before.Offset, Line: before.line}
		return
	default:
		s.prelude = before.prelude()
		from := len(drawn(s.prelude))
		s.prelude = append(s.prelude, bytes.Join(before.text, nil)...)
		s.kept = &protocol.KeptEvent{Offset: before.Offset, Line: before.line, From: from, To: len(drawn(s.prelude))}
	}
	s.prelude = append(s.prelude, p.Prelude...)
}

// keptEvent returns the event about the lines in the start; nil if there are none. It may take a while the
// first time, and needs no lock.
func (s *sharedStart) keptEvent() *protocol.KeptEvent {
	if s.long == nil {
		return s.kept
	}
	return s.long.kept(*s.kept)
}

// drawn returns the part of text that a browser's terminal draws: a browser drops invalid UTF-8.
func drawn(text []byte) []byte { return bytes.ToValidUTF8(text, nil) }

// quote returns the drawn part of text as a JSON string.
func quote(text []byte) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(drawn(text))); err != nil {
		panic(err) // a string always encodes
	}
	return bytes.TrimSpace(b.Bytes())
}
