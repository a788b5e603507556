package broadcaster

import (
	"context"
	"io"
	"slices"
	"sort"
	"time"
)

const (
	// feedBytes is how much new output a feed waits for. Smaller portions would make a history
	// wake up for every chunk.
	feedBytes = 64 << 10
	// feedStamps is how many new stamps a feed doesn't wait for more output with.
	feedStamps = 1024
	// feedLag is how much new output a feed leaves in the ring for [Feed.Delay].
	feedLag = 8 << 20
	// maxBehind is how much output the ring keeps for a feed, in addition to what it keeps
	// anyway. A disk may stall for a moment, and a busy processor may keep the feed's reader from
	// running, but the writer must never wait.
	maxBehind = 14 << 20
)

// A Feed is the reader that fills a history with what the ring is going to drop. The ring keeps
// output until the feed has it, up to 14 MiB. Its methods must not be called concurrently, except for
// Close.
type Feed struct {
	// Delay is how long up to 8 MiB of new output may be left in the ring. A burst of output should have the processor
	// for itself, and the end of a run may never be needed. It must not change once Next is called.
	Delay time.Duration

	b    *Broadcaster
	wake chan struct{} // has an element if take may return something

	// b.mu guards the rest.
	offset, line int64 // of the next byte; newlines before it
	lastEvent    int64 // number of the last event returned or passed
	kept         int64 // everything before this offset is in the history
	begun        bool  // the ring was half full
	late         bool  // Delay is over: all that is new is due
	waiting      bool  // until Delay is over
}

// A Portion is a section of a stream, for a history.
type Portion struct {
	Offset, Line int64   // of its first byte; the line's number, counted from 1
	Begins       bool    // a line begins at Offset
	Size         Resize  // in force at Offset, apart from what Events say
	Data         []byte  // shared by all readers and must not be modified
	Events       []Event // from Offset to the end of Data
	Stamps       []Stamp // the stamp in force at Offset, if it is known, and those up to the end

	LostBytes, LostLines int64 // how much is missing before Offset
}

// An Event is an event at its place in a stream: after the byte before Offset. Events are numbered
// from 1, in the stream's order, but not without gaps.
type Event struct {
	Number, Offset int64
	Event          any
}

// Feed returns the feed that a history is filled from, from the beginning of what is kept now. It must be called at most
// once.
func (b *Broadcaster) Feed() *Feed {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &b.ring
	r.feed = &Feed{b: b, wake: make(chan struct{}, 1), offset: r.start, line: r.startLine, kept: r.start}
	r.feed.signal()
	return r.feed
}

// Next waits until more than 8 MiB are new, or 64 KiB or many times for as long as Delay, and returns at most the given number
// of bytes. Nothing is new before the ring is half full. The error is [io.EOF] after the last portion, or ctx's.
func (f *Feed) Next(ctx context.Context, most int) (Portion, error) {
	var over <-chan time.Time
	for {
		p, ok, err := f.take(int64(most))
		if ok || err != nil {
			return p, err
		}
		if over == nil && f.wait() {
			timer := time.NewTimer(f.Delay)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-f.wake:
		case <-over:
			f.hurry()
			over = nil
		case <-ctx.Done():
			return Portion{}, ctx.Err()
		}
	}
}

// wait reports whether there is enough for a portion, but not for long enough.
func (f *Feed) wait() bool {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.waiting = f.due()
	return f.waiting
}

// hurry makes all that is new due.
func (f *Feed) hurry() {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.late, f.waiting = true, false
}

// take returns what is new, if it is enough.
func (f *Feed) take(most int64) (p Portion, ok bool, err error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	r := &f.b.ring
	if f.offset < r.oldest() {
		p.LostBytes, p.LostLines = r.start-f.offset, r.startLine-f.line
		f.offset, f.line, f.kept = r.start, r.startLine, r.start
		for _, e := range r.events { // Size has the sizes at the offset
			if _, ok := e.event.(Resize); e.offset > f.offset || e.offset == f.offset && !ok {
				break
			}
			f.lastEvent = e.number
		}
	} else if ended := f.b.closed && (!f.begun || f.offset == r.end); ended {
		return p, false, io.EOF
	} else if !f.ripe() {
		return p, false, nil
	}
	p.Offset, p.Line, p.Begins, p.Size = f.offset, f.line+1, r.beginsLine(f.offset), r.sizeAt(f.offset)
	if f.offset < r.end {
		i := r.find(f.offset)
		k := r.blocks[i]
		end := min(k.end(), r.end, f.offset+most)
		p.Data = k.data[f.offset-k.offset : end-k.offset : end-k.offset]
		f.offset, f.line = end, r.lineAtEnd(i, end)
	}
	p.Events = f.takeEvents()
	stamps := r.stampsFrom(p.Offset)
	p.Stamps = slices.Clone(stamps[:sort.Search(len(stamps), func(i int) bool { return stamps[i].Offset >= f.offset })])
	return p, true, nil
}

// takeEvents returns the events up to the offset. b.mu must be held.
func (f *Feed) takeEvents() (events []Event) {
	all := f.b.ring.events
	for _, e := range all[sort.Search(len(all), func(i int) bool { return all[i].number > f.lastEvent }):] {
		if e.offset > f.offset {
			break
		}
		f.lastEvent = e.number
		events = append(events, Event{e.number, e.offset, e.event})
	}
	return events
}

// Keep reports that the history has everything before offset, so that the ring need not keep it.
func (f *Feed) Keep(offset int64) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.kept = max(f.kept, offset)
}

// Close reports that the history is not going to have any more, so that the ring keeps nothing for it.
func (f *Feed) Close() {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if f.b.ring.feed == f {
		f.b.ring.feed = nil
	}
}

// ripe reports whether a portion is to be taken now. b.mu must be held.
func (f *Feed) ripe() bool {
	due := f.due()
	f.late = f.late && due
	return due && (f.late || f.b.ring.end-f.offset >= feedLag)
}

// news reports whether Next must look at what is new. b.mu must be held.
func (f *Feed) news() bool { return f.ripe() || !f.waiting && f.due() || f.b.closed }

// due reports whether there is enough for a portion. b.mu must be held.
func (f *Feed) due() bool {
	r := &f.b.ring
	f.begun = f.begun || r.end-r.start >= r.maxBytes/2 || r.lines() >= r.maxLines/2
	if !f.begun {
		return false
	}
	n := len(r.stamps)
	return f.b.closed || r.end-f.offset >= feedBytes || n >= feedStamps && r.stamps[n-feedStamps].Offset >= f.offset
}

// signal wakes Next.
func (f *Feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// beginsLine reports whether a line begins at offset, which must be readable. If the byte before that is gone, beginsLine
// says no.
func (r *ring) beginsLine(offset int64) bool {
	if offset == r.oldest() {
		return offset == 0
	}
	k := r.blocks[r.find(offset-1)]
	return k.data[offset-1-k.offset] == '\n'
}

// needed returns the offset from which on the ring must keep its blocks. f may be nil.
func (r *ring) needed() int64 {
	low := r.start - grace
	if r.feed != nil {
		low = min(low, max(r.feed.kept, r.start-grace-maxBehind))
	}
	return low
}
