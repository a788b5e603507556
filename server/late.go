package server

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// screenStep is how many bytes are followed at a time, at the most, before
	// somebody who joins gets a turn: the emulator takes a millisecond or two for
	// them. Where it takes more than stepTime (a thousand scrolls do), the next step
	// is smaller, down to leastStep.
	screenStep = 4 << 10
	stepTime   = 10 * time.Millisecond
	leastStep  = 64
	// screenLag is how far the screen may be behind the output, in bytes. A
	// program that draws faster than the emulator is not followed.
	screenLag = 1 << 20
	// pictureTime is for how long those who join get the same picture, and what
	// was written since.
	pictureTime = 250 * time.Millisecond
	// keptBytes is how much is kept of the normal screen's lines while a program
	// fills the screen, whatever that writes, in bytes.
	keptBytes = 64 << 10
	// historyBytes is how much of them the emulator is shown, to know where they
	// leave the cursor, in bytes: some 6 ms of its time.
	historyBytes = 16 << 10
	// joinTries is how often a viewer is placed anew because the ring has moved on.
	joinTries = 5
)

// A late follows a stream's screen, so that those who join late see what the
// others see.
type late struct {
	stream *broadcaster.Broadcaster
	cancel context.CancelFunc
	done   chan struct{}
	step   int // of follow, in bytes

	mu     sync.Mutex
	screen *screen.Screen
	kept   lines // before the program that was followed last

	joining sync.Mutex // held by whoever makes what joiners share
	picture screen.Picture
	made    time.Time // picture was
	shared  opening
}

// lines are those of the normal screen before a program that fills it.
type lines struct {
	since int64 // where the program began
	line  int64 // number of the first
	parts [][]byte
	place // where they begin
}

// An opening is how a viewer begins whom the ring would begin at start.
type opening struct {
	start   int64
	picture int64 // offset of the picture it holds; 0 if there is none

	offset  int64 // of the next byte
	size    broadcaster.Resize
	prelude []byte     // puts a new terminal into the state at offset
	quoted  []byte     // prelude as JSON
	kept    *keptEvent // which of it are lines of output
}

// noPrelude is an empty one, as JSON.
var noPrelude = []byte(`""`)

// newLate follows stream in a goroutine, until close.
func newLate(stream *broadcaster.Broadcaster) *late {
	ctx, cancel := context.WithCancel(context.Background())
	l := &late{stream: stream, cancel: cancel, done: make(chan struct{}), step: screenStep, screen: screen.New()}
	l.screen.History = l.history
	cursor, start := stream.Open(-1)
	l.screen.Skip(start.Offset)
	l.screen.Resize(start.Size.Cols, start.Size.Rows)
	go func() {
		defer close(l.done)
		for {
			item, err := cursor.Next(ctx)
			if err != nil {
				return
			}
			l.follow(ctx, item)
		}
	}()
	return l
}

// close ends what newLate started, and waits for it.
func (l *late) close() {
	l.cancel()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	l.screen.Close()
}

// follow takes the screen through item, unless ctx is done before.
func (l *late) follow(ctx context.Context, item broadcaster.Item) {
	for data := item.Data; len(data) > 0 && ctx.Err() == nil; {
		piece := data[:min(l.step, len(data))]
		data = data[len(piece):]
		stats := l.stream.Stats()
		l.mu.Lock()
		if stats.End-l.screen.Offset() > screenLag {
			l.screen.GiveUp()
		}
		l.screen.Forget(stats.Start - keptBytes) // of which before is told
		begin := time.Now()
		l.screen.Write(piece)
		if time.Since(begin) > stepTime {
			l.step = max(l.step/4, leastStep)
		} else {
			l.step = min(l.step*2, screenStep)
		}
		l.keep()
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if item.Reset != nil {
		l.screen.Skip(item.Reset.Offset)
		l.screen.Resize(item.Reset.Size.Cols, item.Reset.Size.Rows)
	}
	if size, ok := item.Event.(broadcaster.Resize); ok {
		l.screen.Resize(size.Cols, size.Rows)
	}
}

// keep keeps the last lines before a program that has begun: the ring may lose
// them while it runs. mu must be held.
func (l *late) keep() {
	since, ok := l.screen.Since()
	if !ok || since == l.kept.since && l.kept.parts != nil {
		return
	}
	if kept, ok := l.before(since, keptBytes); ok {
		l.kept = kept
	}
}

// history returns the end of the output before an offset, and the state there. mu
// must be held.
func (l *late) history(end int64) ([]byte, screen.State, bool) {
	lines, ok := l.before(end, historyBytes)
	return bytes.Join(lines.parts, nil), lines.state, ok
}

// before returns the lines before an offset, of so many bytes at the most. mu must
// be held.
func (l *late) before(since, most int64) (lines, bool) {
	from := max(since-most, 0)
	parts, line, ok := l.stream.Range(from, since)
	if !ok {
		from = l.stream.Stats().Start
		parts, line, ok = l.stream.Range(from, since)
	}
	if !ok {
		return lines{}, false
	}
	if from > 0 && from == since-most { // within a line
		if cut := bytes.IndexByte(parts[0], '\n') + 1; cut > 0 {
			parts[0] = parts[0][cut:]
			from += int64(cut)
			line++
		}
	}
	at, ok := l.place(from, from)
	return lines{since, line, append(parts, nil), at}, ok
}

// A place is one in the output where a viewer can begin.
type place struct {
	offset int64
	state  screen.State // of the terminal
	head   []byte       // of the control sequence that the place is within; mostly empty
}

// prelude puts a new terminal into the state at the place.
func (p place) prelude() []byte { return append(p.state.Append(nil), p.head...) }

// place returns the first place from an offset on that is outside of control
// sequences, but not behind most. It is false if the output before that can't be read
// any more. mu must be held.
func (l *late) place(from, most int64) (place, bool) {
	state, at := l.screen.StateAt(from)
	parts, _, ok := l.stream.Range(at, most)
	if at > from || !ok {
		return place{}, false
	}
	n, head := state.ScanTo(bytes.Join(parts, nil), int(from-at))
	return place{at + int64(n), state, head}, true
}

// open returns a cursor and how a viewer begins there.
func (l *late) open(q query) (*broadcaster.Cursor, broadcaster.Start, opening) {
	cursor, start := l.stream.Resume(q.epoch, q.offset, q.lines)
	if start.Resumed {
		return cursor, start, opening{size: start.Size, quoted: noPrelude}
	}
	return l.begin(start, q.lines)
}

// reopen is open for a viewer that has fallen out of the ring and was to go on at
// gap.
func (l *late) reopen(gap broadcaster.Start) (*broadcaster.Cursor, broadcaster.Start, opening) {
	cursor, start, o := l.begin(gap, -1)
	first, line := start.Offset, start.Line
	if o.kept != nil {
		first, line = o.kept.Offset, o.kept.Line
	}
	start.SkippedBytes = max(first-(gap.Offset-gap.SkippedBytes), 0)
	start.SkippedLines = max(line-(gap.Line-gap.SkippedLines), 0)
	return cursor, start, o
}

// begin returns a cursor at start, or behind it, and what puts a terminal into the
// state there.
func (l *late) begin(start broadcaster.Start, lines int) (*broadcaster.Cursor, broadcaster.Start, opening) {
	l.joining.Lock()
	defer l.joining.Unlock()
	for range joinTries {
		if o, ok := l.opening(start.Offset); ok {
			if cursor, at := l.stream.Resume(l.stream.Epoch(), o.offset, -1); at.Resumed {
				if o.picture == 0 {
					o.size = at.Size
				}
				at.Resumed, at.Stamps, at.Size = false, start.Stamps, o.size
				return cursor, at, o
			}
		}
		l.made = time.Time{}
		_, start = l.stream.Open(lines)
	}
	cursor, start := l.stream.Open(lines)
	return cursor, start, opening{size: start.Size, quoted: noPrelude}
}

// opening makes what begin returns. It is false if the ring has moved on. joining
// must be held.
func (l *late) opening(start int64) (opening, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(pictureTime)
	o := opening{start: start, offset: start}
	picture := l.picture
	if picture.Text != nil || start > picture.From && start < picture.To {
		o.picture = picture.To
	}
	if l.shared.quoted != nil && l.shared.start == start && l.shared.picture == o.picture {
		return l.shared, true
	}
	if o.picture != 0 {
		ok := l.compose(&o, picture)
		if !ok {
			return o, false
		}
	} else {
		at, ok := l.place(start, min(start+screenStep, l.stream.Stats().End))
		if !ok {
			return o, false
		}
		o.prelude, o.offset = at.prelude(), at.offset
	}
	o.quoted = quote(o.prelude)
	l.shared = o
	return o, true
}

// look makes a new picture if the last one is older than age. mu and joining must
// be held.
func (l *late) look(age time.Duration) {
	if !l.screen.Full() || l.picture.Text == nil || time.Since(l.made) > age {
		l.picture, l.made = l.screen.Picture(), time.Now()
	}
}

// rows returns the screen as text while a program fills it, and where in the output
// that begins; nil if none does.
func (l *late) rows() ([]byte, int64) {
	l.joining.Lock()
	defer l.joining.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(0)
	return l.picture.Text, l.picture.From
}

// failures returns how many programs could not be followed.
func (l *late) failures() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.screen.Failures())
}

// begins returns where text begins that the ring would begin at from: a place outside
// of control sequences, if there is one.
func (l *late) begins(from int64) place {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.place(from, min(from+screenStep, l.stream.Stats().End)); ok {
		return at
	}
	return place{offset: from}
}

// compose makes an opening of lines and a picture. mu must be held.
func (l *late) compose(o *opening, picture screen.Picture) bool {
	o.offset, o.size = picture.To, broadcaster.Resize{Cols: picture.Cols, Rows: picture.Rows}
	before := l.kept
	// Unless fewer lines were asked for, those that were kept may be more.
	more := before.since == picture.From && before.offset < o.start && o.start <= l.stream.Stats().Start
	if o.start <= picture.From && !more {
		at, ok := l.place(o.start, picture.From)
		if !ok {
			return false
		}
		parts, line, ok := l.stream.Range(at.offset, picture.From)
		if !ok {
			return false
		}
		before = lines{picture.From, line, parts, at}
	}
	if before.since != picture.From { // it was too late to keep any
		o.prelude = append(picture.Before.Append(nil), picture.Prelude...)
		return true
	}
	o.prelude = before.prelude()
	from := len(o.prelude)
	for _, part := range before.parts {
		o.prelude = append(o.prelude, bytes.ToValidUTF8(part, []byte(replacement))...)
	}
	o.kept = &keptEvent{Offset: before.offset, Line: before.line, From: from, To: len(o.prelude)}
	o.prelude = append(o.prelude, picture.Prelude...)
	return true
}

// quote returns text as a string in JSON.
func quote(text []byte) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(text)); err != nil {
		panic(err) // a string can't fail
	}
	return bytes.TrimSpace(b.Bytes())
}
