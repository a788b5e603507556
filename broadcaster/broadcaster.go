// Package broadcaster keeps the last lines of a byte stream and hands them, and everything
// written later, to any number of readers.
//
// One writer feeds a [Broadcaster], and each reader has a [Cursor] into the same bytes.
// Backlog and live output are the same bytes, read from different positions, so a reader
// loses nothing and sees nothing twice between them, and costs no more memory than its
// position. The writer never waits for a reader: a reader that is too slow finds its
// position gone. It continues in the stream's [History]; if that has lost the position too, or there
// is none, the reader gets a single [Item.Reset] that says how much it missed.
//
// The package knows nothing about networks or escape sequences.
package broadcaster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultLines and DefaultBytes are the limits of a zero [Options].
	DefaultLines = 10_000
	DefaultBytes = 8 << 20

	// publishInterval is how long output may be held back to be published together with
	// what follows. A browser draws 60 times a second, and each chunk costs one system call
	// per viewer, so fewer and larger chunks make a broadcast cheap.
	publishInterval = 16 * time.Millisecond
	// publishBytes is how much output may be held back; more is published immediately.
	publishBytes = 64 << 10
	// retryTime is when the timer tries again to publish after a panic. One that recurs must
	// not fill the log.
	retryTime = time.Second
)

// ErrClosed is returned by [Broadcaster.Write] and [Broadcaster.Publish] after
// [Broadcaster.Close].
var ErrClosed = errors.New("broadcaster is closed")

// Options sets how much a [Broadcaster] keeps and where its stream begins. The zero value
// is the default: a new stream, kept up to [DefaultLines] and [DefaultBytes].
type Options struct {
	Lines int // at most this many lines are kept, including an unfinished last one; 0 means DefaultLines
	Bytes int // at most this many bytes are kept, however few lines they are; 0 means DefaultBytes

	// To continue a stream that began elsewhere, set its epoch, the offset of the next byte
	// and the number of the line that the byte belongs to, counted from 1. Readers can then
	// resume on either side.
	Epoch  string // empty means a new, random one
	Offset int64
	Line   int64 // 0 means 1

	// Panicked, if set, is called with the value of each panic of the timer that publishes output,
	// while the stack is still that of the panic.
	Panicked func(v any)
}

// Resize is an event: from here on, the terminal has Cols columns and Rows rows.
type Resize struct{ Cols, Rows int }

// Exit is an event: the source has ended. Signal is the name of the signal that ended it,
// for example "SIGKILL", and Code is then 128 plus the signal's number. Without a signal,
// Signal is empty.
type Exit struct {
	Code     int
	Signal   string
	Duration time.Duration
}

// Stamp records that the output from Offset on was published at UnixMilli, in milliseconds
// since 1970.
type Stamp struct{ Offset, UnixMilli int64 }

// Stats describes what is kept: the bytes from Start to End, which are offsets from the
// stream's first byte. The byte at Start is in line Line, counted from 1.
type Stats struct {
	Oldest      int64 // of the first byte that can still be read, at most Start
	Start, End  int64
	Line, Lines int64
	Size        Resize // the last one; zero if there was none
	Exit        *Exit  // nil until the source has ended
	Chunks      int64  // how many were ever published
}

// A Broadcaster is an [io.Writer] whose output any number of cursors follow. Its methods
// may be called concurrently; output keeps the order of the calls.
type Broadcaster struct {
	panicked func(v any) // nil if nobody wants to know

	epoch atomic.Pointer[string]

	mu        sync.Mutex
	ring      ring
	wake      chan struct{} // closed and replaced when something is published
	awaited   bool          // a reader holds wake
	published time.Time     // when the last chunk was published
	timer     *time.Timer   // publishes pending output; nil until first needed
	snapshot  *Snapshot     // of what is published; nil until asked for
	armed     bool          // the timer is running
	closed    bool
	exit      *Exit   // as emitted
	history   History // nil if what the ring drops is lost

	before atomic.Int64 // lines before those that the ring counts
}

// New returns a Broadcaster whose limits and start are set by o. It holds no resources
// until the first write; Close ends the stream.
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
	b := &Broadcaster{panicked: o.Panicked, ring: newRing(o), wake: make(chan struct{})}
	b.epoch.Store(&o.Epoch)
	return b
}

// NewEpoch returns a new epoch, the name of a run: 128 random bits in hexadecimal.
func NewEpoch() string {
	id := make([]byte, 16)
	rand.Read(id) // never returns an error (crypto/rand)
	return hex.EncodeToString(id)
}

// Epoch returns the name of this run of the stream, by default 128 random bits in
// hexadecimal. An offset means nothing in a run with another epoch.
func (b *Broadcaster) Epoch() string { return *b.epoch.Load() }

// Begin makes the stream one that continues at an offset of an epoch. It must be called before anything is written.
func (b *Broadcaster) Begin(epoch string, offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch.Store(&epoch)
	r := &b.ring
	r.written, r.start, r.end, r.whole, r.endWhole = offset, offset, offset, offset, offset
	b.snapshot = nil
}

// SetTimed sets whether the time of what is written from now on is known: if not, it gets no [Stamp]. At first, it is.
func (b *Broadcaster) SetTimed(timed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(time.Now())
	b.ring.untimed = !timed
}

// SetLine sets the number of the line that the stream's first byte belongs to, in a stream that doesn't know from the start
// how many lines come before it. All numbers change by as much.
func (b *Broadcaster) SetLine(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before.Store(n - 1)
	b.snapshot = nil
}

// Write copies p into the ring and returns; it never waits for a reader. Readers see p
// immediately if nothing was published in the last 16 ms. Otherwise they see it at the end
// of those 16 ms, or as soon as 64 KiB are pending. After Close, Write returns [ErrClosed].
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

// Publish is Write for output that was already published elsewhere, at the given time. It
// is shown to readers immediately and keeps that time.
func (b *Broadcaster) Publish(p []byte, at time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, ErrClosed
	}
	b.publish(time.Now()) // earlier output has its own time
	n := len(p)
	for len(p) > 0 {
		p = p[b.ring.append(p):]
	}
	b.publish(at)
	return n, nil
}

// Emit places an event, such as a [Resize] or an [Exit], after all output written so far
// and publishes both immediately. After Close it does nothing.
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

// Flush publishes pending output immediately.
func (b *Broadcaster) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(time.Now())
}

// Close publishes pending output and ends the stream: a cursor returns the output that is
// left, then [io.EOF]. New cursors still get the backlog. Close may be called more than
// once.
func (b *Broadcaster) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.publish(time.Now())
}

// Stats describes what is kept now.
func (b *Broadcaster) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats()
}

// stats is Stats. mu must be held.
func (b *Broadcaster) stats() Stats {
	r := &b.ring
	return Stats{
		Oldest: r.oldest(), Start: r.start, End: r.end,
		Line: b.before.Load() + r.startLine + 1, Lines: r.lines(),
		Size: r.sizeAt(r.end), Exit: b.exit, Chunks: r.chunks,
	}
}

// publish shows readers everything that was written, as of the given time, and an event
// that was just placed. mu must be held.
func (b *Broadcaster) publish(at time.Time) {
	if b.armed {
		b.timer.Stop()
		b.armed = false
	}
	b.published = time.Now()
	b.ring.publish(at)
	b.snapshot = nil
	if f := b.ring.feed; f != nil && f.news() {
		f.signal()
	}
	if b.awaited {
		close(b.wake)
		b.wake = make(chan struct{})
		b.awaited = false
	}
}

// arm makes publish happen after d. The timer's goroutine ends on its own; after Close it
// finds nothing to do. mu must be held.
func (b *Broadcaster) arm(d time.Duration) {
	b.armed = true
	if b.timer != nil {
		b.timer.Reset(d)
		return
	}
	b.timer = time.AfterFunc(d, b.publishLate)
}

// publishLate is what the timer calls. Only readers need it, so its panics must not end the writer.
func (b *Broadcaster) publishLate() {
	defer b.contain()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.armed {
		b.publish(time.Now())
	}
}

// contain ends a panic of publishLate, which is then called again: the output that it should have
// published may be the last for long.
func (b *Broadcaster) contain() {
	v := recover()
	if v == nil {
		return
	}
	if b.panicked != nil {
		b.panicked(v)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arm(retryTime)
}
