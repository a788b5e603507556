// Package hub serves one stream to its viewers: it upgrades requests to WebSockets, writes each
// chunk of output to all viewers, and brings late joiners to the state that the others see.
//
// The viewer, the writer pool, the frames and the connection are one engine. They share cache
// lines on purpose, so they stay in one package.
package hub

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
)

// A Kind is what a stream's source is. Never infer it from other properties of the stream.
type Kind string

// Kinds of streams. Viewers see these words in the hello event.
const (
	Command Kind = "command"
	Pipe    Kind = "pipe"
	File    Kind = "file"
	List    Kind = "list" // the changes of a list of streams
)

// Options describes a hub's stream. Stream is required.
type Options struct {
	Stream  *broadcaster.Broadcaster
	Kind    Kind
	Title   string   // cut if it is longer than anyone reads
	Command []string // likewise; nil unless the stream is a command's output
	Started time.Time

	History    History // has what the stream's ring drops; nil if nothing has. The hub fills and closes it
	Unnumbered bool    // what number the first line in the ring has isn't known before SetExact is called

	LF        bool // lines end in \n, not in a terminal's \r\n
	Ephemeral bool // the run ends with its viewers, so a position is valid only with its epoch

	Panics *Panics // contains the panics of the hub's goroutines; may be nil
}

// A Hub is a stream and its viewers. Its methods may be called concurrently.
type Hub struct {
	Options
	audience *audience
	pool     *writerPool
	deflated deflateCache
	frames   frameCache
	joins    *joinTracker
	filler   *filler
	moments  chan struct{}  // has an element for each screen that is made for a moment
	making   sync.WaitGroup // the goroutines that make one
	starts   chan struct{}  // has an element for each viewer whose long start is being encoded
	runs     runs
	partial  atomic.Bool   // line numbers count from somewhere inside the source
	numbered sync.Once     // closes numbers
	numbers  chan struct{} // closed when it is known which number the first line has
}

// New returns a hub, and starts a goroutine that follows its stream's screen, and one that fills its
// history, if there is one. The caller must call Close, which waits for them.
func New(o Options) *Hub {
	o.Title, o.Command = cutTitle(o.Title), cutCommand(o.Command)
	pictures, _ := o.History.(pictureStore)
	h := &Hub{
		Options: o, audience: newAudience(o.Panics), joins: newJoinTracker(o.Stream, pictures, o.Panics),
		deflated: deflateCache{stream: o.Stream}, filler: newFiller(o.History, o.Panics),
		moments: make(chan struct{}, HalfTheProcessors()), starts: make(chan struct{}, HalfTheProcessors()),
		numbers: make(chan struct{}),
	}
	h.pool = newWriterPool(h)
	if h.partial.Store(o.Unnumbered); !o.Unnumbered {
		h.SetExact(true)
	}
	return h
}

// SetExact sets whether the first run's line numbers count from its start. Viewers that join from now on are told.
func (h *Hub) SetExact(exact bool) {
	h.partial.Store(!exact)
	h.GiveUpNumbers()
}

// GiveUpNumbers reports that nobody need wait for SetExact, which may still be called.
func (h *Hub) GiveUpNumbers() { h.numbered.Do(func() { close(h.numbers) }) }

// Numbered returns a channel that is closed as soon as it is known whether the first run's line numbers count from its start.
func (h *Hub) Numbered() <-chan struct{} { return h.numbers }

// Viewers returns the current number of viewers.
func (h *Hub) Viewers() int {
	n, _ := h.audience.count()
	return n
}

// Abandoned returns the number of full-screen programs so far that could not be followed for late
// joiners. It never waits for the screen.
func (h *Hub) Abandoned() int64 { return h.joins.failed.Load() }

// before returns size bytes of output that end at offset; fewer at the start of the stream, and
// nil if the bytes are gone.
func (h *Hub) before(offset int64, size int) []byte {
	parts, _, _ := h.Stream.Range(max(offset-int64(size), 0), offset)
	return bytes.Join(parts, nil)
}

// Close stops all that New and the viewers have started, and waits for it. The caller should
// close the stream first and wait until all sessions have ended: a viewer that is still here may
// get no more output. Close may be called more than once.
func (h *Hub) Close() {
	h.audience.close()
	h.pool.close()
	h.joins.close()
	h.filler.close()
	h.making.Wait()
}
