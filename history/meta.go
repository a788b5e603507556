package history

import (
	"encoding/binary"
	"errors"
	"iter"
	"sort"

	"wsrun/broadcaster"
)

var errCorrupt = errors.New("the history's file is corrupt")

// A decoder reads numbers. After the end, it returns zeros and bad is true.
type decoder struct {
	p   []byte
	bad bool
}

func (d *decoder) uvarint() int64 {
	v, n := binary.Uvarint(d.p)
	return int64(d.skip(v, n))
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.p)
	return int64(d.skip(uint64(v), n))
}

func (d *decoder) skip(v uint64, n int) uint64 {
	if n <= 0 {
		d.p, d.bad = nil, true
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *decoder) bytes(n int64) []byte {
	if n < 0 || n > int64(len(d.p)) {
		d.p, d.bad = nil, true
		return nil
	}
	p := d.p[:n]
	d.p = d.p[n:]
	return p
}

// eventsOf returns the events of e's block.
func (l *Log) eventsOf(e *entry) ([]broadcaster.Event, error) {
	p, err := l.store.record(l, e.pos+int64(e.output)+int64(e.times), e.events)
	if err != nil {
		return nil, err
	}
	var events []broadcaster.Event
	last := broadcaster.Event{Offset: e.offset}
	for d := (decoder{p: p}); len(d.p) > 0; {
		last.Offset += d.uvarint()
		last.Number += d.uvarint()
		kind := d.bytes(1)
		text := d.bytes(d.uvarint())
		if d.bad {
			return nil, errors.Join(ErrGone, errCorrupt)
		}
		last.Event = nil
		if of := (decoder{p: text}); kind[0] == resizeKind {
			last.Event = broadcaster.Resize{Cols: int(of.uvarint()), Rows: int(of.uvarint())}
		} else if l.store.o.Decode != nil {
			last.Event = l.store.o.Decode(text)
		}
		if last.Event != nil {
			events = append(events, last)
		}
	}
	return events, nil
}

// blocks returns the entries of the blocks that have output between two offsets.
func (l *Log) blocks(from, to int64) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for from < to {
			l.store.mu.Lock()
			i := max(l.index.find(from), 0)
			if i < len(l.index.entries) && l.index.entries[i].end() <= from {
				i++
			}
			if i >= len(l.index.entries) || l.index.entries[i].offset >= to {
				l.store.mu.Unlock()
				return
			}
			e := l.index.entries[i]
			l.store.mu.Unlock()
			if !yield(e) {
				return
			}
			from = e.end()
		}
	}
}

// Events returns the events between two offsets, without those at the second one, as far as they are
// kept. A caller must not ask for more than it can hold.
func (l *Log) Events(from, to int64) ([]broadcaster.Event, error) {
	var all []broadcaster.Event
	for e := range l.blocks(from, to) {
		if e.events == 0 {
			continue
		}
		events, err := l.eventsOf(&e)
		if err != nil {
			return all, err
		}
		low := sort.Search(len(events), func(i int) bool { return events[i].Offset >= from })
		high := sort.Search(len(events), func(i int) bool { return events[i].Offset >= to })
		all = append(all, events[low:max(low, high)]...)
	}
	return all, nil
}

// Stamps returns the times of the output between two offsets, as far as they are kept: first the one in
// force at the first offset. The error, which comes last, is ErrGone if a block can't be read.
func (l *Log) Stamps(from, to int64) iter.Seq2[broadcaster.Stamp, error] {
	return func(yield func(broadcaster.Stamp, error) bool) {
		var last broadcaster.Stamp
		for e := range l.blocks(from, to) {
			p, err := l.store.record(l, e.pos+int64(e.output), e.times)
			if err != nil {
				yield(broadcaster.Stamp{}, err)
				return
			}
			for s := range stamps(e.offset, p) {
				if s.Offset > from && last.Offset <= from && last.UnixMilli != 0 && !yield(last, nil) {
					return
				}
				if s.Offset > from && s.Offset < to && s.Offset > last.Offset && !yield(s, nil) {
					return
				}
				last = s
			}
		}
		if last.UnixMilli != 0 && last.Offset <= from {
			yield(last, nil)
		}
	}
}

// stamps decodes the times of the block at offset.
func stamps(offset int64, p []byte) iter.Seq[broadcaster.Stamp] {
	return func(yield func(broadcaster.Stamp) bool) {
		s := broadcaster.Stamp{Offset: offset}
		for d := (decoder{p: p}); len(d.p) > 0; {
			s.Offset += d.varint()
			s.UnixMilli += d.varint()
			if d.bad || !yield(s) {
				return
			}
		}
	}
}

// Since returns the first line that begins with or after output of the given time, in ms since 1970. If
// the clock was set back, the greatest time so far counts. The error is ErrAhead if there is none in the
// history.
func (l *Log) Since(ms int64) (Place, error) {
	l.store.mu.Lock()
	entries := l.index.entries
	i := sort.Search(len(entries), func(i int) bool { return entries[i].latest >= ms })
	if len(entries) == 0 {
		l.store.mu.Unlock()
		return Place{}, ErrAhead
	}
	if i == 0 {
		l.store.mu.Unlock()
		first, _ := l.First()
		return first, nil
	}
	e, ahead := entries[i-1], i == len(entries) && l.index.next.latest < ms
	l.store.mu.Unlock()
	p, err := l.store.record(l, e.pos+int64(e.output), e.times)
	if err != nil {
		return l.LineFrom(e.end())
	}
	for s := range stamps(e.offset, p) {
		if s.UnixMilli >= ms {
			return l.LineFrom(s.Offset)
		}
	}
	if ahead {
		return Place{}, ErrAhead
	}
	return l.LineFrom(e.end())
}
