// Package broadcaster keeps the last lines of a stream of bytes and hands them,
// and all that follows, to any number of readers.
//
// One writer feeds a [Broadcaster]; each reader has a [Cursor] into the same
// bytes. Backlog and live output are one thing seen from two positions, so
// nothing can be lost or doubled between them, and a reader costs no more
// memory than its position. The writer never waits for a reader: one that is
// too slow finds its position gone and gets a single [Reset] that says how much
// it missed.
//
// The package knows no network and no escape sequences.
package broadcaster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

const (
	// DefaultLines and DefaultBytes are what a zero [Options] keeps.
	DefaultLines = 10_000
	DefaultBytes = 8 << 20

	// publishInterval is how long output may wait for company. A browser draws
	// 60 times a second, and each chunk costs a system call a viewer: fewer and
	// larger chunks are what makes a broadcast cheap.
	publishInterval = 16 * time.Millisecond
	// publishBytes is how much may wait; more is published at once.
	publishBytes = 64 << 10
)

// ErrClosed is returned by writes after [Broadcaster.Close].
var ErrClosed = errors.New("broadcaster is closed")

// Options says how much a [Broadcaster] keeps, and where its stream begins. The zero value is
// the default: a new stream, from its start.
type Options struct {
	Lines int // how many lines are kept; an unfinished last line counts as one
	Bytes int // how many bytes are kept, whatever the lines are

	// A stream that began elsewhere goes on here: under its epoch, from an offset that is
	// within line Line, counted from 1. Readers can then resume on either side.
	Epoch  string // empty: a new one
	Offset int64
	Line   int64 // 0 means 1
}

// Resize is an event: from here on the terminal has Cols columns and Rows rows.
type Resize struct{ Cols, Rows int }

// Exit is an event: the source has ended. Signal is the name of the signal that
// ended it ("SIGKILL"), else empty; Code is then 128 plus its number.
type Exit struct {
	Code     int
	Signal   string
	Duration time.Duration
}

// Stamp says that the output from Offset on was published at UnixMilli, in
// milliseconds since 1970.
type Stamp struct{ Offset, UnixMilli int64 }

// Stats describes what is kept: the bytes from Start to End (offsets from the
// first byte ever written), of which the first is in line Line (from 1).
type Stats struct {
	Start, End  int64
	Line, Lines int64
	Size        Resize // the last one; zero if none was told
	Exit        *Exit  // nil until the source has ended
	Chunks      int64  // published, ever
}

// A Broadcaster is an [io.Writer] whose output any number of cursors follow.
// All its methods may be called concurrently; bytes keep the order of the calls.
type Broadcaster struct {
	epoch string

	mu        sync.Mutex
	ring      ring
	wake      chan struct{} // closed and renewed when something is published
	awaited   bool          // somebody holds wake
	published time.Time     // when the last chunk was
	timer     *time.Timer   // publishes what waits; nil until first needed
	snapshot  *Snapshot     // of what is published; nil until somebody asks
	armed     bool          // timer is running
	closed    bool
	exit      *Exit // as emitted
}

// New returns a Broadcaster.
func New(o Options) *Broadcaster {
	if o.Lines <= 0 {
		o.Lines = DefaultLines
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Epoch == "" {
		o.Epoch = NewEpoch()
	}
	return &Broadcaster{epoch: o.Epoch, ring: newRing(o), wake: make(chan struct{})}
}

// NewEpoch returns 128 random bits in hexadecimal, which name a run.
func NewEpoch() string {
	id := make([]byte, 16)
	rand.Read(id) // never fails: it ends the program instead
	return hex.EncodeToString(id)
}

// Epoch returns what names this run of the stream, by default 128 random bits in
// hexadecimal: offsets mean nothing in another run.
func (b *Broadcaster) Epoch() string { return b.epoch }

// Write copies p into the ring and returns; it never waits for a reader. Readers
// see p at once if nothing was published in the last 16 ms, else at the end of
// those, or as soon as 64 KiB wait. It fails only after Close.
func (b *Broadcaster) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, ErrClosed
	}
	n := len(p)
	for len(p) > 0 {
		p = p[b.ring.append(p):]
		if b.ring.pending() >= publishBytes {
			b.publish(time.Now())
		}
	}
	if b.ring.pending() == 0 || b.armed {
		return n, nil
	}
	if wait := publishInterval - time.Since(b.published); wait > 0 {
		b.arm(wait)
	} else {
		b.publish(time.Now())
	}
	return n, nil
}

// Publish is Write for output that was published elsewhere: it is shown to readers at once,
// with the time at which it was published there.
func (b *Broadcaster) Publish(p []byte, at time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, ErrClosed
	}
	b.publish(time.Now()) // what was written before has its own time
	n := len(p)
	for len(p) > 0 {
		p = p[b.ring.append(p):]
	}
	b.publish(at)
	return n, nil
}

// Emit puts an event, as a [Resize] or an [Exit], behind all output written so far, and
// publishes both at once. After Close it does nothing.
func (b *Broadcaster) Emit(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.publish(time.Now())
	b.ring.emit(event)
	b.snapshot = nil
	if exit, ok := event.(Exit); ok {
		b.exit = &exit
	}
}

// Flush publishes what was written at once.
func (b *Broadcaster) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(time.Now())
}

// Close publishes what waits and ends the stream: cursors give what is left, then
// [io.EOF]. New cursors still get the backlog. It may be called more than once.
func (b *Broadcaster) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.publish(time.Now())
}

// Stats returns what is kept now.
func (b *Broadcaster) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats()
}

// stats is Stats. mu must be held.
func (b *Broadcaster) stats() Stats {
	r := &b.ring
	return Stats{
		Start: r.start, End: r.end,
		Line: r.startLine + 1, Lines: r.lines(),
		Size: r.sizeAt(r.end), Exit: b.exit, Chunks: r.chunks,
	}
}

// publish shows readers all that was written, and an event that was just placed, as of a
// time. mu must be held.
func (b *Broadcaster) publish(at time.Time) {
	if b.armed {
		b.timer.Stop()
		b.armed = false
	}
	b.published = time.Now()
	b.ring.publish(at)
	b.snapshot = nil
	if b.awaited {
		close(b.wake)
		b.wake = make(chan struct{})
		b.awaited = false
	}
}

// arm makes publish happen after d. The timer's goroutine ends by itself; after
// Close it finds nothing to do. mu must be held.
func (b *Broadcaster) arm(d time.Duration) {
	b.armed = true
	if b.timer != nil {
		b.timer.Reset(d)
		return
	}
	b.timer = time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.armed {
			b.publish(time.Now())
		}
	})
}
