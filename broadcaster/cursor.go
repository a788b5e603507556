package broadcaster

import (
	"context"
	"io"
	"sort"
)

// An Item is what follows at a cursor: exactly one of Data, Event and Reset is set.
type Item struct {
	Data  []byte // output; shared by all readers and must not be modified
	Event any    // as passed to Emit
	Reset *Start // the cursor fell out of the ring and continues here
}

// Start describes where a cursor begins, or where it continues after a gap.
type Start struct {
	Offset  int64   // of the next byte, from the stream's first
	Line    int64   // number of the line that this byte belongs to, from 1
	End     int64   // offset of the end of the output so far: everything after it is live
	Resumed bool    // the cursor is at the offset that was asked for
	Size    Resize  // of the terminal at Offset; zero if unknown
	Past    bool    // Offset is in the history; Stamps is then nil
	Stamps  []Stamp // for the lines from Offset on

	SkippedLines, SkippedBytes int64 // in a Reset: how much is missing before Offset
}

// A Cursor is one reader's position in a stream. It holds no resources and needs no
// closing. Unlike the methods of a [Broadcaster], its methods must not be called
// concurrently.
type Cursor struct {
	b         *Broadcaster
	offset    int64
	line      int64 // newlines before offset, as the ring counts them
	lastEvent int64 // number of the last event returned or passed
}

// Open returns a cursor at the start of the last lines lines kept, or of all lines kept if
// lines is negative.
func (b *Broadcaster) Open(lines int) (*Cursor, Start) { return b.Snapshot().Open(lines) }

// Resume returns a cursor at offset if epoch is this stream's and the byte there is either
// still kept or the next one to be written; Start.Resumed is then true. Otherwise it
// returns what Open returns. A resumed cursor returns the events at offset again, because
// the reader may not have seen them.
func (b *Broadcaster) Resume(epoch string, offset int64, lines int) (*Cursor, Start) {
	return b.Snapshot().Resume(epoch, offset, lines)
}

// moveTo moves the cursor to offset, which must be readable, before the events there. r is
// the stream's ring, or its copy in a snapshot.
func (c *Cursor) moveTo(r *ring, offset int64) Start {
	c.offset, c.line, c.lastEvent = offset, r.lineAt(offset), 0
	for _, e := range r.events {
		if e.offset >= offset {
			break
		}
		c.lastEvent = e.number
	}
	return Start{
		Offset: offset,
		Line:   c.Line(),
		End:    r.end,
		Size:   r.sizeAt(offset),
		Stamps: r.stampsFrom(offset),
	}
}

// passSizes moves a cursor that moveTo has placed past the sizes at its offset: Start
// already has the last of them.
func (c *Cursor) passSizes(r *ring) {
	for _, e := range r.events {
		if _, ok := e.event.(Resize); e.offset > c.offset || e.offset == c.offset && !ok {
			break
		}
		c.lastEvent = e.number
	}
}

// Poll returns what follows at the cursor and moves the cursor past it. If nothing follows
// yet, Poll returns a channel that is closed as soon as Poll is worth calling again. After
// the last item of a closed stream the error is [io.EOF]. If the stream has a history, the error
// is [ErrBehind] while the cursor is behind the ring. There are no other errors.
func (c *Cursor) Poll() (Item, <-chan struct{}, error) { return c.poll(false) }

// A Quiet event is not for readers of lines: [Cursor.PollLines] passes it over.
type Quiet interface{ Quiet() }

// isQuiet reports whether an event is Quiet.
func isQuiet(event any) bool {
	_, ok := event.(Quiet)
	return ok
}

// PollLines is Poll for a reader of lines, which need not keep an unfinished line: it leaves
// the line in the ring until it ends. But if an event interrupts the line, or the stream ends
// within it, or it has more than 256 KiB so far, PollLines returns what there is. An Item's
// Data may still end within a line that PollLines continues at once.
func (c *Cursor) PollLines() (Item, <-chan struct{}, error) { return c.poll(true) }

// maxUnfinished is how much of an unfinished line stays in the ring for [Cursor.PollLines], in
// bytes. A small ring drops the beginning of a line that is longer than the ring.
const maxUnfinished = 256 << 10

// poll is Poll or, if lines is true, PollLines.
func (c *Cursor) poll(lines bool) (Item, <-chan struct{}, error) {
	b, r := c.b, &c.b.ring
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.offset < r.oldest() {
		if b.history != nil {
			return Item{}, nil, ErrBehind
		}
		return c.reset(), nil, nil
	}
	end := r.end
	if lines && !b.closed && end-max(c.offset, r.endWhole) <= min(maxUnfinished, r.maxBytes/2) {
		end = r.endWhole
	}
	// A cursor that comes from the history may not have passed the events before its offset.
	next := func(i int) bool { return r.events[i].number > c.lastEvent && r.events[i].offset >= c.offset }
	i := sort.Search(len(r.events), next)
	for lines && i < len(r.events) && isQuiet(r.events[i].event) {
		i++
	}
	if i < len(r.events) {
		e := r.events[i]
		if e.offset == c.offset {
			c.lastEvent = e.number
			return Item{Event: e.event}, nil, nil
		}
		end = e.offset
	}
	if c.offset < end {
		return Item{Data: c.advance(end)}, nil, nil
	}
	if b.closed {
		return Item{}, nil, io.EOF
	}
	b.awaited = true
	return Item{}, b.wake, nil
}

// reset moves the cursor to the start of what is kept. b.mu must be held.
func (c *Cursor) reset() Item {
	r, offset, line := &c.b.ring, c.offset, c.line
	start := c.moveTo(r, r.start)
	start.SkippedBytes, start.SkippedLines = c.offset-offset, c.line-line
	c.passSizes(r)
	return Item{Reset: &start}
}

// Changed returns a channel that is closed as soon as there is something new for a cursor
// that was at the end when Changed was called.
func (b *Broadcaster) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited = true
	return b.wake
}

// advance returns the bytes from the cursor to end, or to the end of the block if that
// comes first, and moves the cursor past them. b.mu must be held.
func (c *Cursor) advance(end int64) []byte {
	r := &c.b.ring
	i := r.find(c.offset)
	k := r.blocks[i]
	end = min(end, k.end())
	data := k.data[c.offset-k.offset : end-k.offset : end-k.offset]
	c.offset, c.line = end, r.lineAtEnd(i, end)
	return data
}

// Offset returns the cursor's position, in bytes from the stream's first.
func (c *Cursor) Offset() int64 { return c.offset }

// Line returns the number of the line that the byte at the cursor belongs to, from 1.
func (c *Cursor) Line() int64 { return c.b.before.Load() + c.line + 1 }

// Next is Poll and PollHistory for a reader with nothing else to wait for: it waits until something
// follows or ctx is done. The error is [io.EOF] or ctx's.
func (c *Cursor) Next(ctx context.Context) (Item, error) {
	for {
		item, wait, err := c.Poll()
		if err == ErrBehind {
			item, wait, err = c.PollHistory()
		}
		if wait == nil {
			return item, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return Item{}, ctx.Err()
		}
	}
}

// Range returns the output between two offsets, and the number of the line that it begins
// in, from 1. The slices are shared by all readers and must not be modified. The output may
// begin before what is kept; ok is false if part of it can't be read any more, or not yet.
func (b *Broadcaster) Range(from, to int64) (parts [][]byte, line int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts, line, ok = b.ring.slices(from, to)
	return parts, b.before.Load() + line, ok
}
