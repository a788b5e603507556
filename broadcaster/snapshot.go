package broadcaster

// A Snapshot is a stream at one moment: everything it returns is consistent. It costs one
// pointer for each 32 KiB kept, and all callers between two publications share one. Its
// methods may be called concurrently. Output that was evicted in the meantime can still be
// read.
type Snapshot struct {
	b      *Broadcaster
	ring   ring
	stats  Stats
	epoch  string
	before int64 // lines before those that the ring counts
}

// Snapshot returns the stream as it is now.
func (b *Broadcaster) Snapshot() *Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.snapshot == nil {
		b.snapshot = &Snapshot{b, b.ring.clone(), b.stats(), b.Epoch(), b.before.Load()}
	}
	return b.snapshot
}

// Stats describes what was kept at the snapshot's moment.
func (s *Snapshot) Stats() Stats { return s.stats }

// Open is [Broadcaster.Open] at the snapshot's moment.
func (s *Snapshot) Open(lines int) (*Cursor, Start) {
	offset := s.ring.start
	if lines >= 0 {
		offset = s.ring.back(int64(lines))
	}
	c := &Cursor{b: s.b}
	start := c.moveTo(&s.ring, offset)
	c.passSizes(&s.ring)
	return c, start
}

// Resume is [Broadcaster.Resume] at the snapshot's moment.
func (s *Snapshot) Resume(epoch string, offset int64, lines int) (*Cursor, Start) {
	if epoch != s.epoch || offset < s.ring.start || offset > s.ring.end {
		return s.Open(lines)
	}
	c := &Cursor{b: s.b}
	start := c.moveTo(&s.ring, offset)
	start.Resumed = true
	return c, start
}

// At returns a cursor at offset, before the events there. Like [Broadcaster.Range], it can
// begin before what is kept; the result is false if the byte there can't be read any more,
// or not yet.
func (s *Snapshot) At(offset int64) (*Cursor, Start, bool) {
	if offset < s.ring.oldest() || offset > s.ring.end {
		return nil, Start{}, false
	}
	c := &Cursor{b: s.b}
	return c, c.moveTo(&s.ring, offset), true
}

// Range is [Broadcaster.Range] at the snapshot's moment.
func (s *Snapshot) Range(from, to int64) (parts [][]byte, line int64, ok bool) {
	parts, line, ok = s.ring.slices(from, to)
	return parts, s.before + line, ok
}

// Stamps returns the stamps for the lines from offset on, as far as they are kept. They are
// shared and must not be modified.
func (s *Snapshot) Stamps(offset int64) []Stamp { return s.ring.stampsFrom(offset) }

// Oldest returns the oldest byte that can still be read, which may be before what is kept, and the number of its line.
func (s *Snapshot) Oldest() (offset, line int64) {
	offset = s.ring.oldest()
	return offset, s.lineAt(offset)
}

// lineAt returns the number of the line that the byte at offset, which must be readable, belongs to.
func (s *Snapshot) lineAt(offset int64) int64 { return s.before + s.ring.lineAt(offset) + 1 }

// Line returns the offset at which line n, counted from 1, begins. Like [Snapshot.At], it can be before what is kept. ok is
// false if the beginning of the line can't be read any more, or not yet.
func (s *Snapshot) Line(n int64) (offset int64, ok bool) {
	oldest, line := s.Oldest()
	switch skip := n - line; {
	case n >= s.stats.Line+s.stats.Lines || skip < 0:
		return 0, false
	case skip == 0:
		return oldest, oldest == 0
	default:
		return s.ring.skip(oldest, skip), true
	}
}

// Since returns the first place from the offset from on, which must be readable, at which a line begins with or after
// output of the given time, in ms since 1970. If the clock was set back, the greatest time so far counts. ok is
// false if there is none.
func (s *Snapshot) Since(from, ms int64) (offset, line int64, ok bool) {
	for _, stamp := range s.ring.stampsFrom(from) {
		if stamp.UnixMilli >= ms {
			return s.LineFrom(max(stamp.Offset, from))
		}
	}
	return 0, 0, false
}

// LineFrom returns the first place at or after offset, which must be readable, at which a line begins. ok is false if
// none has begun.
func (s *Snapshot) LineFrom(offset int64) (at, line int64, ok bool) {
	r := &s.ring
	if !r.beginsLine(offset) {
		if r.lineAt(offset) == r.endLine {
			return 0, 0, false
		}
		offset = r.skip(offset, 1)
	}
	return offset, s.lineAt(offset), offset < r.end
}
