package server

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// screenStep is how many bytes are followed at a time, at the most, before
	// somebody who joins gets a turn: the emulator takes a millisecond or two for
	// them. As it can take seconds (a thousand scrolls do), steps begin with leastStep
	// and grow as long as they don't take stepTime.
	screenStep = 4 << 10
	stepTime   = 10 * time.Millisecond
	leastStep  = 64
	// screenLag is how far the screen may be behind the output, in bytes. A
	// program that draws faster than the emulator is not followed.
	screenLag = 1 << 20
	// pictureTime is for how long those who join get the same picture, and what
	// was written since.
	pictureTime = 250 * time.Millisecond
	// rowsTime is how old rows may be that are given as text, which nothing follows:
	// those of a large screen cost 30 ms.
	rowsTime = 50 * time.Millisecond
	// keptBytes is how much is kept of the normal screen's lines while a program
	// fills the screen, whatever that writes, in bytes.
	keptBytes = 64 << 10
	// historyBytes is how much of them the emulator is shown, to know where they
	// leave the cursor, in bytes: some 6 ms of its time.
	historyBytes = 16 << 10
	// joinTries is how often a viewer is placed: the picture may be too old, but a new
	// one only if the screen is.
	joinTries = 2
)

// A late follows a stream's screen, so that those who join late see what the
// others see.
type late struct {
	stream *broadcaster.Broadcaster
	cancel context.CancelFunc
	done   chan struct{}
	failed atomic.Int64 // programs that could not be followed

	mu      sync.Mutex // given back by release
	screen  *screen.Screen
	kept    lines          // before the program that was followed last
	picture screen.Picture // for all who join
	made    time.Time      // when it was
	seen    int64          // offset that the screen was at then
	shared  opening        // for all who join likewise
}

// lines are those of the normal screen before a program that fills it.
type lines struct {
	place        // where they begin
	line  int64  // number of the first
	since int64  // where the program began
	text  []byte // nil if there are none
}

// An opening is how a viewer begins.
type opening struct {
	joined
	offset  int64 // of the next byte
	size    broadcaster.Resize
	prelude []byte     // puts a new terminal into the state at offset
	quoted  []byte     // prelude as JSON
	kept    *keptEvent // which of it are lines of output
}

// joined is what openings that are alike have in common: where the ring would begin,
// or the picture's offset and how many lines before it were asked for.
type joined struct {
	start, picture int64
	lines          int
}

// noPrelude is an empty one, as JSON.
var noPrelude = []byte(`""`)

// newLate follows stream in a goroutine, until close.
func newLate(stream *broadcaster.Broadcaster) *late {
	ctx, cancel := context.WithCancel(context.Background())
	l := &late{stream: stream, cancel: cancel, done: make(chan struct{}), screen: screen.New()}
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

// release gives mu back, and tells of failures: who asks for them does not wait.
func (l *late) release() {
	l.failed.Store(int64(l.screen.Failures()))
	l.mu.Unlock()
}

// follow takes the screen through item, unless ctx is done before.
func (l *late) follow(ctx context.Context, item broadcaster.Item) {
	step := leastStep
	for data := item.Data; len(data) > 0 && ctx.Err() == nil; {
		piece := data[:min(step, len(data))]
		data = data[len(piece):]
		if l.write(piece) > stepTime {
			step = max(step/4, leastStep)
		} else {
			step = min(step*4, screenStep)
		}
	}
	if item.Reset != nil {
		l.mu.Lock()
		l.screen.Skip(item.Reset.Offset)
		l.release()
		l.resize(item.Reset.Size)
	}
	if size, ok := item.Event.(broadcaster.Resize); ok {
		l.resize(size)
	}
}

// write takes the screen through p and returns how long that took.
func (l *late) write(p []byte) time.Duration {
	stats := l.stream.Stats()
	l.mu.Lock()
	defer l.release()
	if stats.End-l.screen.Offset() > screenLag {
		l.screen.GiveUp()
	}
	l.screen.Forget(stats.Start - keptBytes) // of which tail is told
	begin := time.Now()
	l.screen.Write(p)
	l.keep()
	return time.Since(begin)
}

func (l *late) resize(size broadcaster.Resize) {
	l.mu.Lock()
	defer l.release()
	l.screen.Resize(size.Cols, size.Rows)
	l.picture = screen.Picture{}
}

// keep keeps the last lines before a program that has begun: the ring may lose
// them while it runs. mu must be held.
func (l *late) keep() {
	since, ok := l.screen.Since()
	if !ok || since == l.kept.since && l.kept.text != nil {
		return
	}
	if kept, ok := l.tail(since, keptBytes); ok {
		l.kept = kept
	}
}

// history returns the end of the output before an offset, and the state there. mu
// must be held.
func (l *late) history(end int64) ([]byte, screen.State, bool) {
	lines, ok := l.tail(end, historyBytes)
	return lines.text, lines.state, ok
}

// tail returns the lines before an offset, of so many bytes at the most. mu must be
// held.
func (l *late) tail(since, most int64) (lines, bool) {
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
func (l *late) before(since, from int64, n int) (lines, bool) {
	parts, _, ok := l.stream.Range(from, since)
	if !ok {
		return lines{}, false
	}
	from = since - int64(len(lastLines(bytes.Join(parts, nil), n)))
	at, placed := l.place(from, from)
	parts, line, ok := l.stream.Range(at.offset, since)
	return lines{at, line, since, bytes.Join(parts, nil)}, placed && ok
}

// last returns the last n of the lines; all if n is negative.
func (k lines) last(n int) lines {
	text := lastLines(k.text, n)
	gone := k.text[:len(k.text)-len(text)]
	head := append(bytes.Clone(k.head), gone...)
	k.head = head[k.state.Scan(head):]
	k.offset += int64(len(gone))
	k.line += int64(bytes.Count(gone, []byte("\n")))
	k.text = text
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
func (l *late) beforePicture(p screen.Picture, n int) (lines, bool) {
	start := l.stream.Stats().Start
	if l.kept.text != nil && l.kept.since == p.From && l.kept.offset < start {
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

// A place is one in the output where a viewer can begin.
type place struct {
	offset int64
	state  screen.State // of the terminal
	head   []byte       // of the control sequence that the place is within; mostly empty
}

// prelude puts a new terminal into the state at the place.
func (p place) prelude() []byte { return append(p.state.Append(nil), p.head...) }

// place returns the first place from an offset on that is outside of control
// sequences, but not behind most; or the beginning of the character that the offset
// is within. It is false if the output before that can't be read any more. mu must be
// held.
func (l *late) place(from, most int64) (place, bool) {
	state, at := l.screen.StateAt(from)
	parts, _, ok := l.stream.Range(at, most)
	if at > from || !ok {
		return place{}, false
	}
	text := bytes.Join(parts, nil)
	n, head := state.ScanTo(text, int(from-at))
	var last utf8Text
	last.append(text[max(n-utf8.UTFMax, 0):n])
	cut := len(last.cut)
	return place{at + int64(n-cut), state, head[:max(len(head)-cut, 0)]}, true
}

// nearest is place for those who begin there whatever is known: if the output before
// can't be read any more, the state is the last one known. mu must be held.
func (l *late) nearest(from int64) place {
	if at, ok := l.place(from, min(from+screenStep, l.stream.Stats().End)); ok {
		return at
	}
	state, _ := l.screen.StateAt(from)
	return place{offset: from, state: state}
}

// open returns a cursor and how a viewer begins there.
func (l *late) open(q query) (*broadcaster.Cursor, broadcaster.Start, opening) {
	cursor, start := l.stream.Resume(q.epoch, q.offset, q.lines)
	if start.Resumed {
		return cursor, start, opening{size: start.Size, quoted: noPrelude}
	}
	return l.join(q.lines)
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
		if o.picture == 0 {
			o.size = at.Size
		}
		at.Size = o.size
		return cursor, at, o
	}
	cursor, start := l.stream.Open(n)
	state, _ := l.screen.StateAt(start.Offset)
	prelude := state.Append(nil)
	return cursor, start, opening{size: start.Size, prelude: prelude, quoted: quote(prelude)}
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
		o.prelude, o.offset = at.prelude(), at.offset
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
		o.prelude = append(o.prelude, before.text...)
		o.kept = &keptEvent{Offset: before.offset, Line: before.line, From: from, To: len(drawn(o.prelude))}
	} else { // it was too late to keep any
		o.prelude = p.Before.Append(nil)
	}
	o.prelude = append(o.prelude, p.Prelude...)
}

// near is nearest for the forms that are text.
func (l *late) near(from int64) place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nearest(from)
}

// rows returns the screen as text if a program fills it and is not to be followed, else
// nil; and the lines before that, or before the program whose output start is within:
// of the last n lines those that are there, all if n is negative, or what is behind
// start if that is resumed.
func (l *late) rows(start broadcaster.Start, n int, follow bool) (before lines, rows []byte) {
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

// look makes a new picture if the last one shows something else, and that for longer
// than age. mu must be held.
func (l *late) look(age time.Duration) {
	since, _ := l.screen.Since()
	old := l.seen != l.screen.Offset() && time.Since(l.made) > age
	if !l.screen.Full() || l.picture.Text == nil || l.picture.From != since || old {
		l.picture, l.made, l.seen = l.screen.Picture(), time.Now(), l.screen.Offset()
	}
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
