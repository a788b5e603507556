package broadcaster

import (
	"bytes"
	"slices"
	"sort"
	"time"
	"unicode/utf8"
)

const (
	// blockSize is the size of the ring's blocks, and therefore the most that a cursor
	// returns at a time. A reader that is slow keeps one block in memory, even after the ring
	// has dropped it.
	blockSize = 32 << 10
	// grace is how far before the ring's start output stays readable for existing cursors.
	// Without it, a reader that joins during a flood of output would fall out of the ring
	// immediately, because the start moves on while the reader's first chunk is being sent.
	grace = 1 << 20
	// maxStamps is how many stamps are kept, because every joining reader gets all of them.
	// If there are more, every second stamp of the older half is dropped.
	maxStamps = 16 << 10
)

var newline = []byte{'\n'}

// A block is a section of the stream that is filled once, from the front, and never changed
// afterwards, so readers can keep slices of it without a lock.
type block struct {
	offset int64  // of its first byte, from the stream's first
	line   int64  // newlines before it
	data   []byte // allocated at full capacity
}

func (k *block) end() int64 { return k.offset + int64(len(k.data)) }

// A placedEvent is an event and its place in the stream: after the byte before offset.
// Events are numbered from 1.
type placedEvent struct {
	number int64
	offset int64
	event  any
}

// A ring holds the end of a stream. Bytes are appended, then published together; only
// published bytes count as kept. The owner of the ring guards it with a lock.
type ring struct {
	maxLines, maxBytes int64
	blockSize          int

	blocks   []*block
	written  int64 // bytes ever appended
	newlines int64 // among the bytes appended
	whole    int64 // offset after the last newline appended, or where the ring began
	last     byte  // byte appended
	chunks   int64 // how often bytes were published

	start, end         int64 // the bytes kept, all published
	endWhole           int64 // offset after the last newline published, or where the ring began
	startLine, endLine int64 // newlines before start and end
	begun              int64 // lines that begin before end

	size       Resize // in force before the first of events
	events     []placedEvent
	eventCount int64 // events ever placed
	stamps     []Stamp
	untimed    bool // what is published gets no stamps

	feed *Feed // fills a history; nil if there is none
}

// newRing returns a ring for a stream that begins where o says.
func newRing(o Options) ring {
	r := ring{maxLines: int64(o.Lines), maxBytes: int64(o.Bytes), blockSize: blockSize}
	newlines := max(o.Line, 1) - 1
	r.written, r.start, r.end = o.Offset, o.Offset, o.Offset
	r.whole, r.endWhole = o.Offset, o.Offset
	r.newlines, r.startLine, r.endLine, r.begun = newlines, newlines, newlines, newlines
	return r
}

// clone returns a copy of the published part for readers that hold no lock.
func (r *ring) clone() ring {
	c := *r
	n := len(r.blocks)
	for n > 0 && r.blocks[n-1].offset >= r.end {
		n-- // nothing in this block is published
	}
	c.blocks, c.events = slices.Clone(r.blocks[:n]), slices.Clone(r.events)
	if n > 0 && len(r.blocks[n-1].data) < r.blockSize { // still being filled
		last := *r.blocks[n-1]
		c.blocks[n-1] = &last
	}
	return c
}

// append copies as much of p as fits into the last block, or into a new block if the last
// one is full, and returns how many bytes that was.
func (r *ring) append(p []byte) int {
	n := len(r.blocks)
	if n == 0 || len(r.blocks[n-1].data) == r.blockSize {
		r.blocks = append(r.blocks, &block{r.written, r.newlines, make([]byte, 0, r.blockSize)})
		n++
	}
	k := r.blocks[n-1]
	p = p[:min(len(p), r.blockSize-len(k.data))]
	k.data = append(k.data, p...)
	if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
		r.whole = r.written + int64(i) + 1
	}
	r.written += int64(len(p))
	r.newlines += int64(bytes.Count(p, newline))
	r.last = p[len(p)-1]
	return len(p)
}

// pending returns the number of bytes that are not published yet.
func (r *ring) pending() int64 { return r.written - r.end }

// lines returns the number of lines kept, including an unfinished last one.
func (r *ring) lines() int64 { return r.begun - r.startLine }

// publish adds pending bytes to what is kept, and evicts whatever exceeds the limits.
func (r *ring) publish(now time.Time) {
	if r.pending() == 0 {
		return
	}
	r.chunks++
	begun := r.newlines
	if r.last != '\n' {
		begun++
	}
	// Stamps give lines their times, so a chunk in which no line begins needs none.
	ms := now.UnixMilli()
	if n := len(r.stamps); !r.untimed && begun > r.begun && (n == 0 || r.stamps[n-1].UnixMilli != ms) {
		r.stamps = append(r.stamps, Stamp{r.end, ms})
		if len(r.stamps) > maxStamps {
			r.thinStamps()
		}
	}
	r.end, r.endLine, r.endWhole, r.begun = r.written, r.newlines, r.whole, begun
	if low := r.end - r.maxBytes; low > r.start {
		r.start = r.lineFrom(low)
		r.startLine = r.lineAt(r.start)
	}
	if over := r.lines() - r.maxLines; over > 0 {
		r.start = r.skip(r.start, over)
		r.startLine += over
	}
	r.forget()
}

// thinStamps drops every second stamp of the older half.
func (r *ring) thinStamps() {
	half := len(r.stamps) / 2
	kept := make([]Stamp, 0, maxStamps) // a new slice: snapshots share the old one
	for i, s := range r.stamps {
		if i >= half || i%2 == 0 {
			kept = append(kept, s)
		}
	}
	r.stamps = kept
}

// emit places an event after the published output. A size replaces another one with no
// output between the two, so dragging a terminal to a new size costs nothing.
func (r *ring) emit(event any) {
	if n := len(r.events); n > 0 && r.events[n-1].offset == r.end {
		_, was := r.events[n-1].event.(Resize)
		_, is := event.(Resize)
		if was && is {
			r.events = r.events[:n-1]
		}
	}
	r.eventCount++
	r.events = append(r.events, placedEvent{r.eventCount, r.end, event})
}

// forget drops what neither a new reader nor a cursor within grace can reach, and the feed doesn't need.
func (r *ring) forget() {
	for low := r.needed(); len(r.blocks) > 1 && r.blocks[1].offset <= low; {
		r.blocks[0] = nil
		r.blocks = r.blocks[1:]
	}
	for len(r.events) > 0 && r.events[0].offset < r.oldest() {
		if size, ok := r.events[0].event.(Resize); ok {
			r.size = size
		}
		r.events = r.events[1:]
	}
	start := r.start
	if r.feed != nil {
		start = min(start, max(r.feed.kept, r.oldest()))
	}
	for len(r.stamps) > 1 && r.stamps[1].Offset <= start {
		r.stamps = r.stamps[1:]
	}
}

// oldest returns the offset of the first byte that a cursor can still read.
func (r *ring) oldest() int64 {
	if len(r.blocks) == 0 {
		return r.start
	}
	return r.blocks[0].offset
}

// find returns the index of the block that holds the byte at offset, or of the last block
// if that byte is not written yet. There must be a block.
func (r *ring) find(offset int64) int {
	return sort.Search(len(r.blocks)-1, func(i int) bool { return offset < r.blocks[i].end() })
}

// lineAt returns the number of newlines before offset, which must be readable.
func (r *ring) lineAt(offset int64) int64 {
	if len(r.blocks) == 0 {
		return r.endLine
	}
	k := r.blocks[r.find(offset)]
	return k.line + int64(bytes.Count(k.data[:offset-k.offset], newline))
}

// lineAtEnd is lineAt for an offset that is in the block with the number i, and usually at its end, where it looks
// at no output.
func (r *ring) lineAtEnd(i int, offset int64) int64 {
	switch {
	case offset == r.end:
		return r.endLine
	case offset == r.blocks[i].end():
		return r.blocks[i+1].line
	}
	return r.lineAt(offset)
}

// skip returns the offset after the n-th newline from offset on. There must be that many.
func (r *ring) skip(offset, n int64) int64 {
	target := r.lineAt(offset) + n
	// The newline is in the last block that begins with fewer than target before it.
	i := sort.Search(len(r.blocks), func(i int) bool { return r.blocks[i].line >= target }) - 1
	k := r.blocks[i]
	at, line := 0, k.line
	if k.offset < offset {
		at, line = int(offset-k.offset), target-n
	}
	for ; line < target; line++ {
		at += bytes.IndexByte(k.data[at:], '\n') + 1
	}
	return k.offset + int64(at)
}

// lineFrom returns the offset of the first line that starts at or after low. If no line
// starts between low and the end, as in a progress bar or a line longer than the ring, it
// returns low itself, moved forward to the start of a character.
func (r *ring) lineFrom(low int64) int64 {
	if low == 0 {
		return 0
	}
	if r.lineAt(low-1) < r.endLine {
		if next := r.skip(low-1, 1); next < r.end {
			return next
		}
	}
	for range utf8.UTFMax - 1 {
		k := r.blocks[r.find(low)]
		if low == r.end || utf8.RuneStart(k.data[low-k.offset]) {
			break
		}
		low++
	}
	return low
}

// back returns the offset at which the last n lines kept begin, or start if there are
// fewer.
func (r *ring) back(n int64) int64 {
	if n == 0 {
		return r.end
	}
	if over := r.lines() - n; over > 0 {
		return r.skip(r.start, over)
	}
	return r.start
}

// slices implements [Broadcaster.Range].
func (r *ring) slices(from, to int64) (parts [][]byte, line int64, ok bool) {
	if from < r.oldest() || from > to || to > r.end {
		return nil, 0, false
	}
	line = r.lineAt(from) + 1
	for from < to {
		k := r.blocks[r.find(from)]
		end := min(to, k.end())
		parts = append(parts, k.data[from-k.offset:end-k.offset:end-k.offset])
		from = end
	}
	return parts, line, true
}

// stampsFrom returns the stamps for the lines from offset on. They must not be modified.
func (r *ring) stampsFrom(offset int64) []Stamp {
	first := sort.Search(len(r.stamps), func(i int) bool { return r.stamps[i].Offset > offset })
	return r.stamps[max(first-1, 0):len(r.stamps):len(r.stamps)]
}

// sizeAt returns the terminal's size in force at offset; zero if unknown.
func (r *ring) sizeAt(offset int64) Resize {
	size := r.size
	for _, e := range r.events {
		if e.offset > offset {
			break
		}
		if s, ok := e.event.(Resize); ok {
			size = s
		}
	}
	return size
}
