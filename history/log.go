package history

import (
	"context"
	"io"
	"slices"

	"wsrun/broadcaster"
)

// A Log is the history of one stream. Its methods may be called concurrently, except for Fill, and
// may wait for a disk. Each holds at most a block in memory.
//
// A log's records are on a tape, an endless file. Those parts of it that are kept are in slots of the
// store's file: first the slot number dropped of the tape, then those after it.
type Log struct {
	store *Store
	feed  *broadcaster.Feed

	// Only Fill uses these.
	block block
	rest  []byte // of the block's output, after the last one that was stored

	// The store's mu guards the rest.
	slots    []slot
	dropped  int64 // how many slots the tape has lost
	end      int64 // of the tape
	writing  bool  // the slot at end can't be dropped
	index    index
	pictures pictures
	first    firstLine     // what First has returned last
	ended    int64         // how many logs had ended when this one had, and this one; 0 while it is being filled
	closed   bool          // it has nothing any more
	wake     chan struct{} // closed and replaced when the index changes
}

// Fill stores what the stream's ring is going to drop, until the stream has ended or ctx is done; it
// returns early if nothing can be stored. The caller may call it again after a panic: the history may
// then have a hole.
func (l *Log) Fill(ctx context.Context) {
	l.mend()
	for torn := true; ; torn = false {
		p, err := l.feed.Next(ctx, l.block.room())
		if err == nil && l.store.open() {
			l.add(p, torn)
			continue
		}
		if err == io.EOF && len(l.block.output) > 0 {
			l.block.close(l.store.o.Encode)
			l.save()
		}
		l.finish()
		return
	}
}

// StoreStats returns figures about the store that the log is in.
func (l *Log) StoreStats() Stats { return l.store.Stats() }

// mend undoes what a panic has left half done.
func (l *Log) mend() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.writing {
		l.abandon(errPanicked)
	}
}

// add takes a portion of the stream. torn reports that it doesn't continue the block.
func (l *Log) add(p broadcaster.Portion, torn bool) {
	b := &l.block
	l.store.missed.Add(p.LostBytes)
	if p.LostBytes > 0 && !torn && len(b.output) > 0 {
		b.close(l.store.o.Encode)
		l.save()
	}
	if p.LostBytes > 0 || torn {
		b.begin(p)
		l.move()
	}
	for b.add(p, l.store.o.Encode); b.full(); {
		l.save()
	}
}

// save stores the block, up to the place that was scanned. If it can't, the history has a hole there.
func (l *Log) save() {
	b := &l.block
	e, state := b.entry()
	l.rest = append(l.rest[:0], b.output[e.output:]...)
	begins := b.endsLine()
	record, pictures := l.appendPictures(append(append(b.output[:e.output], b.times...), b.events...), e.end())
	stored := l.store.store(l, record, func(pos int64) {
		e.pos = pos
		l.index.add(e, state, l.store.slotSize)
		for _, p := range pictures {
			p.pos += pos
			l.pictures.add(p)
		}
	})
	l.store.mu.Lock()
	l.pictures.forget(len(pictures))
	l.store.mu.Unlock()
	if b.output = record; cap(record) > 4*blockSize { // for a large picture
		b.output = nil
	}
	if !stored {
		l.store.missed.Add(int64(e.output))
	}
	b.advance(e, begins, stored, l.rest)
	l.move()
}

// appendPictures appends the pictures up to an offset to a record. Their positions are those in the record.
func (l *Log) appendPictures(record []byte, end int64) (_ []byte, entries []pictureEntry) {
	l.store.mu.Lock()
	drawn := l.pictures.drawnUpTo(end)
	l.store.mu.Unlock()
	for _, p := range drawn {
		at := len(record)
		record = p.append(record)
		entries = append(entries, pictureEntry{p.Offset, int64(at), int32(len(record) - at)})
	}
	return record, entries
}

// move publishes where the next block begins.
func (l *Log) move() {
	b := &l.block
	l.store.mu.Lock()
	l.index.begun = true
	l.index.next = place{b.offset, b.line, b.size, b.begins, b.latest}
	l.notify()
	l.store.mu.Unlock()
	l.feed.Keep(b.offset)
}

// finish ends the log, which keeps what it has.
func (l *Log) finish() {
	l.feed.Close()
	l.block, l.rest = block{}, nil
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ended == 0 {
		s.ended++
		l.ended = s.ended
	}
	l.notify()
}

// Close drops everything that the log has. Fill must have returned. Close may be called more than
// once.
func (l *Log) Close() {
	l.finish()
	s := l.store
	s.cache.Forget(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.clear()
	s.logs = slices.DeleteFunc(s.logs, func(other *Log) bool { return other == l })
}

// clear drops everything that the log has. mu must be held.
func (l *Log) clear() {
	for len(l.slots) > 0 {
		l.drop()
	}
	l.closed = true
	l.pictures.forget(len(l.pictures.drawn))
	l.notify()
}

// notify wakes those who wait for more. mu must be held.
func (l *Log) notify() {
	close(l.wake)
	l.wake = make(chan struct{})
}

// drop drops the oldest slot and what begins in it, and returns how many bytes of output that is. mu must be held.
func (l *Log) drop() (output int64) {
	l.store.release(l.slots[0])
	l.slots = l.slots[1:]
	l.dropped++
	base := l.dropped * l.store.slotSize
	l.end = max(l.end, base)
	l.pictures.drop(base)
	return l.index.drop(base)
}

// abandon gives up what was reserved. If writing it failed, the rest of its first slot is left empty,
// because a part of the key stream may have been used for it. mu must be held.
func (l *Log) abandon(failure error) {
	size := l.store.slotSize
	whole := (l.end + size - 1) / size // slots of the tape up to its end
	for int64(len(l.slots)) > max(whole-l.dropped, 0) {
		last := len(l.slots) - 1
		if failure == nil {
			l.store.release(l.slots[last])
		} else {
			l.store.retire(l.slots[last], failure)
		}
		l.slots = l.slots[:last]
	}
	if failure != nil {
		l.end = whole * size
	}
	l.writing = false
}
