// Package history keeps the output that streams' rings have dropped, on disk, so that readers can
// begin anywhere and a reader that is slow loses nothing.
//
// A [Store] is a file that all streams share. The file has no name, is encrypted with a key that is
// only in memory, and divided into slots; when all slots are in use, the oldest is dropped. A stream's
// [Log] is filled from its ring, in blocks of about 64 KiB, and has an index of the blocks in memory.
//
// The package knows nothing about networks or viewers.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
)

const (
	// DefaultBytes is the bound of a zero [Options].
	DefaultBytes = 256 << 20
	// MinBytes is the smallest bound.
	MinBytes = 256 << 10

	// A slot is 1/128 of the bound, or of what the disk has room for, if that is between these
	// limits. Dropping a slot should cost little of the history, but each slot has a state of its own
	// in memory, whose title and link may be long.
	slotShare = 128
	minSlot   = 64 << 10
	maxSlot   = 2 << 20
)

var (
	// ErrGone means that the history doesn't have the output any more, or never had it.
	ErrGone = errors.New("the history doesn't have this output")
	// ErrAhead means that the output is not in the history yet, but still in the ring.
	ErrAhead = errors.New("the history doesn't have this output yet")

	errNoSpace = errors.New("the disk is nearly full")
	errTooLong = errors.New("no room for a block")

	errPanicked = errors.New("writing panicked")
)

// Options configures a [Store]. The zero value is the default.
type Options struct {
	Bytes int64    // bound of what all streams keep, in bytes of the file, at least MinBytes; 0 means DefaultBytes
	Dirs  []string // where to try to create the file; nil means Dirs()

	// Report, if set, is called with the first problem. From then on, parts of the history may be missing.
	Report func(error)

	// Encode and Decode convert events other than [broadcaster.Resize]. An event for which Encode
	// returns nil isn't kept. Both may be nil.
	Encode func(event any) []byte
	Decode func(p []byte) any

	Delay time.Duration // how long new output may stay in the ring alone; 0 means a second
}

// defaultDelay is how long new output stays in the ring alone.
const defaultDelay = time.Second

// A Store is a file that the histories of all streams share, up to one bound. Its methods may be called
// concurrently.
type Store struct {
	o        Options
	cache    Pieces[*Log]
	reported sync.Once
	create   sync.Once

	// Set by create.
	file    *os.File // nil if there is none
	seal    sealer
	readAt  func(p []byte, at int64) (int, error) // the file's
	writeAt func(p []byte, at int64) (int, error)

	bytesRead, missed, failures atomic.Int64 // see Stats

	mu         sync.Mutex
	cut        int64 // Stats.Dropped
	slotSize   int64
	most       int    // slots
	grown      int    // slots that the file has
	limit      int    // slots that the file may have; less than most once there was no space for another
	free       []int  // slots that are not in use
	generation uint64 // of the last slot handed out
	ended      int64  // logs that have ended so far
	logs       []*Log
}

// A slot is a section of the file while it belongs to a log.
type slot struct {
	index      int    // in the file
	generation uint64 // no two slots ever have the same, so that no part of the key stream is used twice
}

// New returns a Store that doesn't create its file before the file is needed. Close removes it.
func New(o Options) *Store {
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Dirs == nil {
		o.Dirs = Dirs()
	}
	o.Bytes = max(o.Bytes, MinBytes)
	s := &Store{o: o}
	s.divide(o.Bytes)
	return s
}

// divide sets the size of slots for a history of about the given size.
func (s *Store) divide(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slotSize = min(max(size/slotShare, minSlot), maxSlot) &^ 4095
	s.most = int(s.o.Bytes / s.slotSize)
	s.limit = s.most
}

// Dirs returns the directories in which a Store tries to create its file: $TMPDIR, /var/tmp and /tmp,
// or what stands for them on Windows.
func Dirs() []string { return slices.Compact(append([]string{os.Getenv("TMPDIR")}, systemDirs()...)) }

// Close removes the file. Every log's Fill must have returned; logs that are still open have nothing from
// then on.
func (s *Store) Close() error {
	s.create.Do(func() {})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range slices.Clone(s.logs) {
		l.clear()
	}
	s.cache.Clear()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Stats are figures about a [Store], of all its logs since the beginning.
type Stats struct {
	Size     int64 // bytes of the file in use now
	Read     int64 // bytes read from the file
	Dropped  int64 // bytes of output that were dropped to make room
	Missed   int64 // bytes of output that could not be stored: the disk was too slow, or failed
	Failures int64 // problems with the disk
}

// Stats returns figures about the store.
func (s *Store) Stats() Stats {
	st := Stats{Size: s.Size(), Read: s.bytesRead.Load(), Missed: s.missed.Load(), Failures: s.failures.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Dropped = s.cut
	return st
}

// Size returns how many bytes of the file are in use.
func (s *Store) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := 0 // not those that could not be written
	for _, l := range s.logs {
		slots += len(l.slots)
	}
	return int64(slots) * s.slotSize
}

// report counts a problem, and reports the first.
func (s *Store) report(err error) {
	s.failures.Add(1)
	s.reported.Do(func() {
		if s.o.Report != nil {
			s.o.Report(err)
		}
	})
}

// open creates the file, once, and reports whether there is one.
func (s *Store) open() bool {
	s.create.Do(func() {
		var errs []error
		for _, dir := range s.o.Dirs {
			if dir == "" {
				continue
			}
			f, err := createUnlinked(dir)
			if err == nil {
				s.file, s.seal, s.readAt, s.writeAt = f, newSealer(), f.ReadAt, f.WriteAt
				if left, total, err := space(f); err == nil {
					s.divide(min(s.o.Bytes, left-total/10))
				}
				return
			}
			errs = append(errs, err)
		}
		s.report(fmt.Errorf("create the history's file: %w", errors.Join(errs...)))
	})
	return s.file != nil
}

// spacious reports whether the file system would have a tenth of its space left after the file has
// grown by size bytes.
func (s *Store) spacious(size int64) bool {
	left, total, err := space(s.file)
	return err != nil || left-size >= total/10
}

// reserve returns where size bytes at the end of l's tape go. The caller must write them there.
func (s *Store) reserve(l *Log, size int) ([]part, error) {
	if int64(size) > int64(s.most)*s.slotSize/2 {
		return nil, errTooLong
	}
	spacious, short := s.spacious(int64(size)+s.slotSize), false
	defer func() {
		if short {
			s.report(fmt.Errorf("keep more history: %w", errNoSpace))
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	l.writing = true
	for l.end+int64(size) > (l.dropped+int64(len(l.slots)))*s.slotSize {
		short = short || !spacious && len(s.free) == 0 && s.grown < s.limit
		got, err := s.take(spacious)
		if err != nil {
			l.abandon(nil)
			return nil, err
		}
		l.slots = append(l.slots, got)
	}
	return l.parts(l.end, size), nil
}

// take returns a slot that is not in use, dropping the oldest if there is none. mu must be held.
func (s *Store) take(spacious bool) (slot, error) {
	if len(s.free) == 0 && s.grown < s.limit && spacious {
		s.free = append(s.free, s.grown)
		s.grown++
	}
	if len(s.free) == 0 {
		l := s.victim()
		if l == nil {
			return slot{}, errNoSpace
		}
		s.cut += l.drop()
	}
	last := len(s.free) - 1
	got := s.free[last]
	s.free = s.free[:last]
	s.generation++
	return slot{got, s.generation}, nil
}

// victim returns the log that must give up its oldest slot: of those that have ended, the one that
// ended first, otherwise the one with the oldest slot. It returns nil if all slots are being written
// to. mu must be held.
func (s *Store) victim() (oldest *Log) {
	for _, l := range s.logs {
		if len(l.slots) == 0 || l.writing && l.end < (l.dropped+1)*s.slotSize {
			continue
		}
		if oldest == nil || l.before(oldest) {
			oldest = l
		}
	}
	return oldest
}

// before reports whether l gives up a slot before other does. mu must be held.
func (l *Log) before(other *Log) bool {
	switch {
	case l.ended > 0 && other.ended > 0:
		return l.ended < other.ended
	case l.ended > 0 || other.ended > 0:
		return l.ended > 0
	}
	return l.slots[0].generation < other.slots[0].generation
}

// release makes a slot available again. mu must be held.
func (s *Store) release(old slot) { s.free = append(s.free, old.index) }

// retire takes a slot that could not be written out of use. If there was no space for it, the file
// doesn't grow any more. mu must be held.
func (s *Store) retire(old slot, err error) {
	if isFull(err) && old.index == s.grown-1 {
		s.grown--
		s.limit = s.grown
	}
}

// Follow returns a log of what b's ring is going to drop, and makes it b's history. The caller must
// call [Log.Fill], in a goroutine, and in the end Close.
func (s *Store) Follow(b *broadcaster.Broadcaster) *Log {
	l := &Log{store: s, wake: make(chan struct{})}
	l.feed = b.Feed()
	b.SetHistory(l)
	l.feed.Delay = cmp.Or(s.o.Delay, defaultDelay)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = append(s.logs, l)
	return l
}
