package history

import (
	"sort"

	"wsrun/broadcaster"
)

const (
	// maxOutput is the most output that Output returns at a time, in bytes.
	maxOutput = 64 << 10
	// pieceBytes is the most output that Read returns at a time, in bytes. A viewer that is slow keeps what it was
	// returned in memory, and there may be thousands: as much as it keeps of a ring.
	pieceBytes = 32 << 10
)

// Read implements [broadcaster.History].
func (l *Log) Read(offset, passed int64) (broadcaster.Past, <-chan struct{}) {
	for {
		e, resume, wait := l.locate(offset)
		switch {
		case wait != nil:
			return broadcaster.Past{}, wait
		case resume != nil:
			return broadcaster.Past{Item: broadcaster.Item{Reset: resume}}, nil
		case e.output == 0:
			return broadcaster.Past{}, nil
		}
		past, err := l.follow(&e, offset, passed)
		if err == nil {
			return past, nil
		}
		if err != ErrGone { // the block can't be read
			l.store.mu.Lock()
			start := l.index.after(e.end()).start()
			l.store.mu.Unlock()
			return broadcaster.Past{Item: broadcaster.Item{Reset: &start}}, nil
		}
	}
}

// locate returns the entry of the block with the byte at offset. If there is none, it returns where the
// stream continues, or a channel if the block is still to come. If it never is, locate returns nothing.
func (l *Log) locate(offset int64) (e entry, resume *broadcaster.Start, wait <-chan struct{}) {
	l.store.mu.Lock()
	x := &l.index
	e, ok := x.at(offset)
	over, begun, dropped := l.closed || l.ended > 0, x.begun, l.dropped > 0 && x.find(offset) < 0
	next, wake := x.after(offset), l.wake
	ahead := offset >= x.next.offset
	l.store.mu.Unlock()
	switch {
	case ok || l.closed:
		return e, nil, nil
	case (!begun || ahead) && over:
		return e, nil, nil
	case !begun || ahead:
		return e, nil, wake
	}
	start := next.start()
	if dropped {
		start = l.oldest(next)
	}
	return e, &start, nil
}

// follow returns what is at offset in e's block.
func (l *Log) follow(e *entry, offset, passed int64) (past broadcaster.Past, err error) {
	end := e.end()
	if e.events > 0 {
		events, err := l.eventsOf(e)
		if err != nil {
			return past, err
		}
		next := func(i int) bool { return events[i].Offset >= offset && events[i].Number > passed }
		if i := sort.Search(len(events), next); i < len(events) {
			if events[i].Offset == offset {
				return broadcaster.Past{Item: broadcaster.Item{Event: events[i].Event}, Number: events[i].Number}, nil
			}
			end = events[i].Offset
		}
	}
	at := (offset - e.offset) / pieceBytes * pieceBytes // in the block
	piece, err := l.piece(e, at, min(pieceBytes, int64(e.output)-at))
	if err != nil {
		return past, err
	}
	at += e.offset
	end = min(end, at+int64(len(piece)))
	past.Data = piece[offset-at : end-at : end-at]
	return past, nil
}

// output returns the output of e's block. It must not be modified.
func (l *Log) output(e *entry) ([]byte, error) { return l.piece(e, 0, int64(e.output)) }

// piece returns the size bytes at the offset at of e's block, to all readers the same. They must not be modified.
func (l *Log) piece(e *entry, at, size int64) ([]byte, error) {
	if p := l.store.cache.Get(l, e.offset+at, size); p != nil {
		return p, nil
	}
	p, err := l.store.record(l, e.pos+at, int32(size))
	if err == nil {
		l.store.cache.Put(l, e.offset+at, p)
	}
	return p, err
}

// find returns the entry of the block that has the byte at offset. The error is ErrGone or ErrAhead.
func (l *Log) find(offset int64) (entry, error) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	e, ok := l.index.at(offset)
	switch {
	case ok:
		return e, nil
	case l.closed || l.index.begun && offset < l.index.next.offset:
		return e, ErrGone
	}
	return e, ErrAhead
}

// Output returns output from offset on, at least a byte and at most 64 KiB. It is shared and must not be
// modified. The error is ErrGone or ErrAhead.
func (l *Log) Output(offset int64) ([]byte, error) {
	e, err := l.find(offset)
	if err != nil {
		return nil, err
	}
	output, err := l.output(&e)
	if err != nil {
		return nil, err
	}
	output = output[offset-e.offset:]
	n := min(len(output), maxOutput)
	return output[:n:n], nil
}

// ReadAt fills p with output from offset on, like [io.ReaderAt], for a reader of much output that nobody else
// reads: unlike Output, it doesn't share what it reads. The error is ErrGone or ErrAhead, or wraps one of the two.
func (l *Log) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		at := offset + int64(n)
		e, err := l.find(at)
		if err != nil {
			return n, err
		}
		block := p[n:min(int64(len(p)), int64(n)+e.end()-at)]
		if err := l.store.read(l, e.pos+at-e.offset, block); err != nil {
			return n, err
		}
		n += len(block)
	}
	return n, nil
}

// Next returns the first place after offset at which a block begins, or the end. It is where the output
// continues if Output returns ErrGone for offset.
func (l *Log) Next(offset int64) Place {
	l.store.mu.Lock()
	at, dropped := l.index.after(offset+1), l.dropped > 0 && l.index.find(offset) < 0
	l.store.mu.Unlock()
	start := at.start()
	if dropped {
		start = l.oldest(at)
	}
	return Place{start.Offset, start.Line}
}

// End returns where the history ends: what comes before is in the history or gone, and the ring has what
// comes after. It doesn't wait for the disk.
func (l *Log) End() Place {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return Place{l.index.next.offset, l.index.next.line + 1}
}

// Moved returns a channel that is closed when End moves, or never will again.
func (l *Log) Moved() <-chan struct{} {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.wake
}
