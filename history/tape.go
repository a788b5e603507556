package history

import "fmt"

// store writes a record to the end of l's tape, calls add with its position while mu is held, and
// reports whether that worked.
func (s *Store) store(l *Log, record []byte, add func(pos int64)) bool {
	parts, err := s.reserve(l, len(record))
	if err == nil {
		err = s.write(parts, record)
	}
	s.mu.Lock()
	switch {
	case err == nil:
		add(l.end)
		l.end += int64(len(record))
		l.writing = false
	case parts != nil:
		l.abandon(err)
	}
	s.mu.Unlock()
	if err != nil {
		s.report(fmt.Errorf("keep history: %w", err))
	}
	return err == nil
}

// write encrypts p in place and writes it to parts of the file.
func (s *Store) write(parts []part, p []byte) error {
	for _, to := range parts {
		s.seal.apply(p[:to.size], to.generation, to.at)
		if _, err := s.writeAt(p[:to.size], int64(to.index)*s.slotSize+to.at); err != nil {
			return err
		}
		p = p[to.size:]
	}
	return nil
}

// read fills p with what is at pos on l's tape. The error is ErrGone, or wraps it.
func (s *Store) read(l *Log, pos int64, p []byte) error {
	s.mu.Lock()
	kept := l.keeps(pos)
	var parts []part
	if kept {
		parts = l.parts(pos, len(p))
	}
	s.mu.Unlock()
	var err error
	for ; err == nil && len(parts) > 0; parts = parts[1:] {
		from := parts[0]
		_, err = s.readAt(p[:from.size], int64(from.index)*s.slotSize+from.at)
		s.bytesRead.Add(int64(from.size))
		s.seal.apply(p[:from.size], from.generation, from.at)
		p = p[from.size:]
	}
	s.mu.Lock()
	kept = kept && l.keeps(pos) // otherwise the slots may have been overwritten meanwhile
	s.mu.Unlock()
	switch {
	case !kept:
		return ErrGone
	case err != nil:
		s.report(fmt.Errorf("read history: %w", err))
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return nil
}

// record returns the size bytes at pos on l's tape. The error is ErrGone, or wraps it.
func (s *Store) record(l *Log, pos int64, size int32) ([]byte, error) {
	p := make([]byte, size)
	err := s.read(l, pos, p)
	return p, err
}

// keeps reports whether the tape still has what is at pos. mu must be held.
func (l *Log) keeps(pos int64) bool { return !l.closed && pos >= l.dropped*l.store.slotSize }

// A part is a section of a tape that is within one slot.
type part struct {
	slot
	at   int64 // in the slot
	size int
}

// parts returns where the size bytes at pos on the tape are. They must not have been dropped. mu must be
// held.
func (l *Log) parts(pos int64, size int) (parts []part) {
	for size > 0 {
		i, at := pos/l.store.slotSize-l.dropped, pos%l.store.slotSize
		n := min(int(l.store.slotSize-at), size)
		parts = append(parts, part{l.slots[i], at, n})
		pos += int64(n)
		size -= n
	}
	return parts
}
