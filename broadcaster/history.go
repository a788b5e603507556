package broadcaster

import (
	"bytes"
	"errors"
)

// ErrBehind is returned by [Cursor.Poll] if the ring has dropped what follows at the cursor, and the
// stream has a history: [Cursor.PollHistory] continues there.
var ErrBehind = errors.New("cursor is behind the ring")

// A History has output that the ring has dropped. The ring reaches it through this interface because
// a ring must not know where output is kept. The methods may be called concurrently, and may wait for
// a disk.
type History interface {
	// Read returns what follows at offset for a reader that has passed all events up to the one with
	// the number passed. If that is not stored yet, but will be, Read returns a channel that is
	// closed as soon as Read is worth calling again.
	Read(offset, passed int64) (Past, <-chan struct{})

	// At describes the place at offset, but has neither Start.End nor Start.Stamps. ok is false if the
	// byte there is not stored.
	At(offset int64) (start Start, ok bool)
}

// SetHistory makes h have what the ring drops. From then on, [Cursor.Poll] may return [ErrBehind].
func (b *Broadcaster) SetHistory(h History) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history = h
}

// A Past is what follows at a place in a history, as an [Item]: output, an event, or, if the output
// there is gone, a Reset that says where the stream continues, without End, Stamps and what was skipped.
// The zero value means that the history has nothing from there on, and never will.
type Past struct {
	Item
	Number int64 // of the event
}

// PollHistory is Poll for a cursor that is behind the ring: it continues in the history until the
// cursor is back in the ring, where Poll takes over. It may wait for a disk, so it must not be called
// where that would hold up others. An Item's Data is at most 32 KiB. Output that the history doesn't
// have either makes a Reset.
func (c *Cursor) PollHistory() (Item, <-chan struct{}, error) {
	h := c.b.pastOf(c.offset)
	for h == nil {
		item, wait, err := c.Poll()
		if err != ErrBehind { // the ring may have dropped more since
			return item, wait, err
		}
		h = c.b.pastOf(c.offset)
	}
	past, wait := h.Read(c.offset, c.lastEvent)
	switch {
	case wait != nil && c.b.lost(c.offset):
		return c.Skip(), nil, nil
	case wait != nil:
		return Item{}, wait, nil
	case past.Reset != nil:
		start := *past.Reset
		start.SkippedBytes, start.SkippedLines = start.Offset-c.offset, start.Line-c.Line()
		start.End, start.Past = c.b.Stats().End, true
		c.offset, c.line = start.Offset, c.line+start.SkippedLines
		return Item{Reset: &start}, nil, nil
	case past.Event != nil:
		c.lastEvent = past.Number
	case len(past.Data) > 0:
		c.offset += int64(len(past.Data))
		c.line += int64(bytes.Count(past.Data, newline))
	default:
		return c.Skip(), nil, nil
	}
	return past.Item, nil, nil
}

// Behind reports whether Poll would return [ErrBehind].
func (c *Cursor) Behind() bool { return c.b.pastOf(c.offset) != nil }

// Skip moves a cursor that is behind the ring to the start of what the ring keeps, for a reader that can't wait
// for the history, or not any longer. It returns the Reset that says so.
func (c *Cursor) Skip() Item {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.reset()
}

// lost reports whether the ring has dropped the byte at offset before its feed could have it: the history is
// never going to have that byte, even if the disk hangs so that the history can't say so.
func (b *Broadcaster) lost(offset int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.ring.feed
	return f != nil && offset >= f.offset && offset < b.ring.oldest()
}

// pastOf returns the history if the ring has dropped the byte at offset; otherwise nil.
func (b *Broadcaster) pastOf(offset int64) History {
	b.mu.Lock()
	defer b.mu.Unlock()
	if offset >= b.ring.oldest() {
		return nil
	}
	return b.history
}

// Past returns a cursor at offset, before the events there, if the history has the byte there or,
// like [Snapshot.At], the ring does; in a history, Start has no Stamps. It may wait for a disk.
func (b *Broadcaster) Past(offset int64) (*Cursor, Start, bool) {
	if c, start, ok := b.Snapshot().At(offset); ok {
		return c, start, true
	}
	h := b.pastOf(offset)
	if h == nil {
		return nil, Start{}, false
	}
	start, ok := h.At(offset)
	if !ok {
		return nil, Start{}, false
	}
	start.End, start.Past = b.Stats().End, true
	return &Cursor{b: b, offset: offset, line: start.Line - 1 - b.before.Load()}, start, true
}
