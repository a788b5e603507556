package broadcaster

import (
	"cmp"
	"context"
	"io"
	"sort"
)

// An Item is the next thing at a cursor: exactly one of Data, Event and Reset.
type Item struct {
	Data  []byte // output; shared by all readers, never to be changed
	Event any    // as emitted
	Reset *Start // the cursor fell out of the ring and goes on here
}

// Start tells where a cursor begins, or goes on after a gap.
type Start struct {
	Offset  int64   // of the next byte, from the first ever written
	Line    int64   // number of the line that byte is in, from 1
	End     int64   // of the output so far: what is behind it is live
	Resumed bool    // the next byte is the one that was asked for
	Size    Resize  // of the terminal at Offset; zero if none was told
	Stamps  []Stamp // for the lines from Offset on

	SkippedLines, SkippedBytes int64 // missing before Offset, in a Reset
}

// A Cursor is one reader's position in a stream. It has no resources to give
// back. Unlike those of a [Broadcaster], its methods may not be called
// concurrently.
type Cursor struct {
	b         *Broadcaster
	offset    int64
	line      int64 // newlines before offset
	lastEvent int64 // number of the last mark seen
}

// Open returns a cursor at the start of the last lines lines kept; of all of them
// if lines is negative.
func (b *Broadcaster) Open(lines int) (*Cursor, Start) { return b.Snapshot().Open(lines) }

// Resume returns a cursor at offset if epoch is this stream's and that byte is
// still kept or the very next one; else what Open returns. Events at offset are
// still to come, since a reader that asks again may not have seen them.
func (b *Broadcaster) Resume(epoch string, offset int64, lines int) (*Cursor, Start) {
	return b.Snapshot().Resume(epoch, offset, lines)
}

// moveTo puts the cursor at offset, which must be kept, in front of the events
// there. r is the stream's ring, now or in a snapshot.
func (c *Cursor) moveTo(r *ring, offset int64) Start {
	c.offset, c.line, c.lastEvent = offset, r.lineAt(offset), 0
	for _, m := range r.events {
		if m.offset >= offset {
			break
		}
		c.lastEvent = m.number
	}
	return Start{
		Offset: offset,
		Line:   c.line + 1,
		End:    r.end,
		Size:   r.sizeAt(offset),
		Stamps: r.stampsFrom(offset),
	}
}

// passSizes puts a cursor that was moved behind the sizes told there: Start has the
// last of them.
func (c *Cursor) passSizes(r *ring) {
	for _, m := range r.events {
		if _, ok := m.event.(Resize); m.offset > c.offset || m.offset == c.offset && !ok {
			break
		}
		c.lastEvent = m.number
	}
}

// Poll returns what follows at the cursor. If that is yet to come, it returns a
// channel that is closed as soon as Poll is worth calling again. The error is
// [io.EOF] after the last item of a closed stream, and nothing else.
func (c *Cursor) Poll() (Item, <-chan struct{}, error) {
	b, r := c.b, &c.b.ring
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.offset < r.oldest() {
		offset, line := c.offset, c.line
		start := c.moveTo(r, r.start)
		start.SkippedBytes, start.SkippedLines = c.offset-offset, c.line-line
		c.passSizes(r)
		return Item{Reset: &start}, nil, nil
	}
	end := r.end
	if i := sort.Search(len(r.events), func(i int) bool { return r.events[i].number > c.lastEvent }); i < len(r.events) {
		m := r.events[i]
		if m.offset == c.offset {
			c.lastEvent = m.number
			return Item{Event: m.event}, nil, nil
		}
		end = m.offset
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

// Changed returns a channel that is closed as soon as there is something new for a
// cursor that was at the end.
func (b *Broadcaster) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited = true
	return b.wake
}

// advance returns the bytes from the cursor to end, or to the end of the block,
// and moves behind them. b.mu must be held.
func (c *Cursor) advance(end int64) []byte {
	r := &c.b.ring
	i := r.find(c.offset)
	k := r.blocks[i]
	end = min(end, k.end())
	data := k.data[c.offset-k.offset : end-k.offset : end-k.offset]
	c.offset = end
	switch {
	case end == r.end:
		c.line = r.endLine
	case end == k.end():
		c.line = r.blocks[i+1].line
	default: // at a mark
		c.line = r.lineAt(end)
	}
	return data
}

// Offset returns where the cursor is, in bytes from the first ever written.
func (c *Cursor) Offset() int64 { return c.offset }

// Next is Poll for a reader that has nothing else to wait for. The error is
// [io.EOF] or ctx's.
func (c *Cursor) Next(ctx context.Context) (Item, error) {
	for {
		item, wait, err := c.Poll()
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

// A Reader reads the bytes that a cursor of a closed stream gives.
type Reader struct {
	Cursor *Cursor
	Err    error // at the end, instead of [io.EOF]; may be nil
	rest   []byte
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		item, _, err := r.Cursor.Poll()
		if err != nil {
			return 0, cmp.Or(r.Err, err)
		}
		r.rest = item.Data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Range returns the output from offset from up to offset to, in slices that are
// shared by all readers and never to be changed, and the number of the line that it
// begins in, from 1. It may begin before what is kept; it is false if that can't be
// read any more, or not yet.
func (b *Broadcaster) Range(from, to int64) (parts [][]byte, line int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ring.slices(from, to)
}
