// Package hub serves one stream to its viewers: it upgrades WebSockets, writes each chunk of
// output to all of them, and begins late joiners with what the others see.
//
// Viewer, writer pool, frames and connection are one engine: they share cache lines on
// purpose.
package hub

import (
	"bytes"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
)

// A Kind is what a stream is of. Never infer it from anything else.
type Kind string

// Kinds of streams, as viewers are told.
const (
	Command Kind = "command"
	Pipe    Kind = "pipe"
	File    Kind = "file"
)

// Options describes a stream. Stream is needed.
type Options struct {
	Stream  *broadcaster.Broadcaster
	Kind    Kind
	Title   string
	Command []string // nil unless the stream is a command's output
	Started time.Time

	LF        bool // lines end in \n, where a terminal's end in \r\n
	Ephemeral bool // the run ends with its viewers: a position needs the epoch
}

// A Hub is a stream and its viewers. Its methods may be called concurrently.
type Hub struct {
	Options
	audience *audience
	pool     *writerPool
	deflated deflateCache
	frames   frameCache
	joins    *joinTracker
	partial  atomic.Bool // lines are counted from somewhere within the whole
}

// New returns a hub and starts what follows its stream. The caller must call Close.
func New(o Options) *Hub {
	f := &Hub{Options: o, audience: newAudience(), joins: newJoinTracker(o.Stream), deflated: deflateCache{stream: o.Stream}}
	f.pool = newWriterPool(f)
	return f
}

// SetExact says whether line numbers are those of the whole, as they are at first.
func (f *Hub) SetExact(exact bool) { f.partial.Store(!exact) }

// Viewers returns how many viewers there are now.
func (f *Hub) Viewers() int {
	n, _ := f.audience.count()
	return n
}

// Abandoned returns how many full-screen programs could not be followed.
func (f *Hub) Abandoned() int64 { return f.joins.failed.Load() }

// before returns the output before an offset, of so many bytes; nil if that can't be
// read any more.
func (f *Hub) before(offset int64, size int) []byte {
	parts, _, _ := f.Stream.Range(max(offset-int64(size), 0), offset)
	return bytes.Join(parts, nil)
}

// Close ends what New started, and waits for it. The viewers should have left.
func (f *Hub) Close() {
	f.audience.close()
	f.pool.close()
	f.joins.close()
}
