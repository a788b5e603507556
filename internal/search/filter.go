package search

import (
	"bytes"
	"slices"
)

const (
	// maxContext is how much context before a wanted line a Filter holds, in bytes. There may be thousands of filters.
	maxContext = 64 << 10
	// spareBytes is how much unused memory Shrink leaves.
	spareBytes = 8 << 10
	// freeHeld is how much of an unfinished line a Filter holds without any room for it, in bytes.
	freeHeld = 64 << 10
)

// A Room is what several Filters hold of long lines together, in bytes, such as a weighted semaphore.
type Room interface {
	TryAcquire(n int64) bool
	Release(n int64)
}

// A Verdict says what becomes of output.
type Verdict int

const (
	Dropped Verdict = iota
	Wanted          // lines that match
	Context         // lines near those
	Omitted         // no output: before the next lines, which are context, others are too long to be held
)

// FilterOptions say which lines a Filter wants. The zero value stands for none.
type FilterOptions struct {
	Matcher *Matcher                      // nil if all lines match
	Invert  bool                          // the lines that don't match are wanted
	Context int                           // how many lines before and after each wanted one are kept
	Skip    int64                         // how many of the wanted lines are dropped first
	Most    int64                         // how many lines are wanted after those; negative for all
	From    func(line, offset int64) bool // reports whether the line that begins at offset is the first to be looked at; may be nil
	Within  bool                          // with From: the first byte is inside of a line that is not looked at
	Room    Room                          // for a line of more than 64 KiB, 1 MiB is needed to hold it; nil if there is always some
}

// A Filter passes on a stream's output, in order, with a verdict on each part. Parts end at newlines, unless a line
// has more than 1 MiB, or more than 64 KiB and there is no room: its beginning then decides. Its methods must not be called
// concurrently. The caller must call Close at the end.
type Filter struct {
	o       FilterOptions
	pass    func(p []byte, v Verdict)
	scanner *Scanner // nil if all lines match

	line, offset int64   // of the first byte that was not passed on: newlines before it
	held         []byte  // output that was not passed on
	seen         int     // whole lines at the beginning of held that aren't wanted, but may be context
	hits         []int64 // offsets of lines that match, from offset+seen on
	after        int     // how many lines are context of the last wanted one
	since        int     // how many lines were not passed on as wanted or context since the last that was
	omitted      int     // how many lines of context are missing; valid during a call with Omitted
	midLine      bool    // the line that is being dropped for o.From has no newline yet
	roomy        bool    // the filter has room
	rest         bool    // the line at offset has a verdict already, which is of
	of           Verdict
}

// Begin makes the filter begin at an offset at which a line begins, as [Matcher.Scan] does. pass gets the output,
// which is valid only during the call.
func (o FilterOptions) Begin(offset, line int64, alternate bool, pass func(p []byte, v Verdict)) *Filter {
	f := &Filter{o: o, pass: pass}
	f.Restart(offset, line, alternate)
	return f
}

// Restart makes the filter go on at another place, with what it still wants. The caller must call Finish first.
func (f *Filter) Restart(offset, line int64, alternate bool) {
	*f = Filter{o: f.o, pass: f.pass, line: line - 1, offset: offset, midLine: f.o.Within}
	f.o.Within = false
	if f.o.Matcher != nil {
		f.scanner = f.o.Matcher.Scan(offset, line, alternate, func(_, offset int64) { f.hits = append(f.hits, offset) })
	}
}

// Done reports whether the filter has passed on all lines that it wants.
func (f *Filter) Done() bool { return f.o.Most == 0 && f.after == 0 && !(f.rest && f.of != Dropped) }

// Size returns about how many instructions the filter's expression has; 0 if all lines match.
func (f *Filter) Size() int64 {
	if f.o.Matcher == nil {
		return 0
	}
	return f.o.Matcher.Size()
}

// Omitted returns how many lines of context are missing, during a call with that verdict, and the place of the next line.
func (f *Filter) Omitted() (lines int, offset, line int64) { return f.omitted, f.offset, f.line + 1 }

// Write implements [io.Writer]. It never fails.
func (f *Filter) Write(p []byte) (int, error) {
	n := len(p)
	if f.scanner != nil {
		f.scanner.Write(p)
	}
	if p = f.await(p); len(p) == 0 {
		return n, nil
	}
	f.held = append(f.held, p...)
	unfinished := len(f.held) - bytes.LastIndexByte(f.held, '\n') - 1
	switch {
	case f.scanner == nil || f.rest && unfinished == len(f.held):
		unfinished = 0
	case unfinished > maxLine || unfinished > freeHeld && !f.takeRoom():
		f.scanner.Decide()
		unfinished = 0
	}
	f.judge(unfinished)
	f.leaveRoom()
	return n, nil
}

// takeRoom reports whether there is room for a long line.
func (f *Filter) takeRoom() bool {
	f.roomy = f.roomy || f.o.Room == nil || f.o.Room.TryAcquire(maxLine)
	return f.roomy
}

// leaveRoom gives back the room if it isn't needed any more.
func (f *Filter) leaveRoom() {
	if f.roomy && len(f.held) <= freeHeld {
		f.held = slices.Clone(f.held)
		f.Close()
	}
}

// Close gives back the room that the filter still has. It passes on nothing. It may be called more than once.
func (f *Filter) Close() {
	if f.roomy && f.o.Room != nil {
		f.o.Room.Release(maxLine)
	}
	f.roomy = false
}

// Finish passes on the unfinished last line. Output that follows begins another one, with the same number.
func (f *Filter) Finish() {
	if f.scanner != nil {
		f.scanner.Finish()
	}
	f.judge(0)
	f.cut(len(f.held), Dropped)
	f.rest, f.since = false, 0
	f.leaveRoom()
}

// Shrink is [Scanner.Shrink].
func (f *Filter) Shrink() {
	if f.scanner != nil {
		f.scanner.Shrink()
	}
	if cap(f.held) > len(f.held)+spareBytes {
		f.held = slices.Clone(f.held)
	}
	if len(f.hits) == 0 {
		f.hits = nil
	}
}

// await drops lines until the first that the filter looks at, and returns the rest.
func (f *Filter) await(p []byte) []byte {
	for f.o.From != nil && len(p) > 0 {
		if !f.midLine && f.o.From(f.line+1, f.offset) {
			f.o.From = nil
			break
		}
		n := bytes.IndexByte(p, '\n') + 1
		if f.midLine = n == 0; f.midLine {
			n = len(p)
		}
		f.emit(p[:n], Dropped)
		p = p[n:]
	}
	f.forget(f.offset)
	return p
}

// forget forgets the lines that match before an offset.
func (f *Filter) forget(offset int64) {
	n := 0
	for n < len(f.hits) && f.hits[n] < offset {
		n++
	}
	f.hits = f.hits[n:]
}

// judge gives a verdict on what is held, but for the last tail bytes.
func (f *Filter) judge(tail int) {
	for n := len(f.held) - tail - f.seen; n > 0; n = len(f.held) - tail - f.seen {
		if f.rest {
			f.cut(lineEnd(f.held[:n]), f.of)
			continue
		}
		skip, size := f.nextWanted(f.held[f.seen : f.seen+n])
		f.unwanted(skip)
		switch {
		case size == 0:
		case f.o.Skip > 0:
			f.o.Skip--
			f.unwanted(size)
		default:
			f.passContext()
			f.cut(size, Wanted)
			f.after = f.o.Context
			f.o.Most = max(f.o.Most-1, min(f.o.Most, 0))
		}
	}
}

// nextWanted returns how many bytes at the beginning of p, which begins at seen, aren't wanted, and how many after
// those are.
func (f *Filter) nextWanted(p []byte) (skip, size int) {
	if f.o.Most == 0 {
		return len(p), 0
	}
	at := f.offset + int64(f.seen)
	f.forget(at)
	hit := len(p) // where the next line that matches begins
	if len(f.hits) > 0 {
		hit = min(int(f.hits[0]-at), len(p))
	}
	switch {
	case f.scanner == nil:
		size = len(p)
	case !f.o.Invert && hit < len(p):
		return hit, lineEnd(p[hit:])
	case !f.o.Invert:
		return hit, 0
	case hit == 0:
		return lineEnd(p), 0
	default:
		size = hit
	}
	if f.o.Skip > 0 || f.o.Most > 0 { // one line at a time
		size = lineEnd(p[:size])
	}
	return 0, size
}

// unwanted gives a verdict on the first n bytes after seen: context, dropped, or none yet.
func (f *Filter) unwanted(n int) {
	for ; f.after > 0 && n > 0; f.after-- {
		size := lineEnd(f.held[:n])
		f.cut(size, Context)
		n -= size
	}
	if f.o.Context > 0 {
		f.since += bytes.Count(f.held[f.seen:f.seen+n], newline)
	}
	f.seen += n
	if f.seen > 0 && f.held[f.seen-1] != '\n' { // a line that is too long to be held
		f.cut(f.seen, Dropped)
		return
	}
	kept := tailLines(f.held[:f.seen], f.o.Context)
	for kept > maxContext {
		kept -= lineEnd(f.held[f.seen-kept : f.seen])
	}
	f.cut(f.seen-kept, Dropped)
}

// passContext passes on the lines that are context of a wanted one that follows.
func (f *Filter) passContext() {
	if f.omitted = min(f.since, f.o.Context) - bytes.Count(f.held[:f.seen], newline); f.omitted > 0 {
		f.pass(nil, Omitted)
	}
	f.cut(f.seen, Context)
	f.since = 0
}

// cut passes on the first n bytes that are held. If they don't end a line, its rest gets the same verdict.
func (f *Filter) cut(n int, v Verdict) {
	if n == 0 {
		return
	}
	if f.rest, f.of = f.held[n-1] != '\n', v; v != Dropped {
		f.since = 0
	}
	f.emit(f.held[:n], v)
	f.held = f.held[n:]
	f.seen = max(f.seen-n, 0)
}

// emit passes output on.
func (f *Filter) emit(p []byte, v Verdict) {
	f.pass(p, v)
	f.offset += int64(len(p))
	f.line += int64(bytes.Count(p, newline))
}

// lineEnd returns the length of p's first line, with its newline if it has one.
func lineEnd(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i + 1
	}
	return len(p)
}

// tailLines returns the length of the last n lines of p.
func tailLines(p []byte, n int) int {
	at := len(p)
	for ; n > 0 && at > 0; n-- {
		at = bytes.LastIndexByte(p[:at-1], '\n') + 1
	}
	return len(p) - at
}
