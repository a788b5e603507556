// Package logs provides the log files below a [filetail.Root] as streams. However many
// viewers a file has, it is followed only once: from the first viewer until a while after the
// last one has left.
package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/filetail"
	"wsrun/history"
	"wsrun/hub"
)

const (
	// maxFollowed is how many files, or filtered views of files, are followed at a time. Each
	// has a ring, a file descriptor and a goroutine.
	maxFollowed = 256
	// maxFiltered is how many of these may be filtered views. Filtered views cost more,
	// because each reads its file from the start.
	maxFiltered = 64
	// maxFilters is how many instructions the expressions of all filtered views may have together. They
	// take up to 200 bytes each.
	maxFilters = 64_000
	// idleTime is how long a file is still followed after its last viewer has left, so that
	// a viewer that reconnects finds the same stream. Filtered views end at once.
	idleTime = 30 * time.Second
	// loadTime is how long a file's first viewer waits for the file's last lines. After that,
	// it gets the lines as they are read.
	loadTime = 5 * time.Second
	// numberTime is how long a viewer then waits for their numbers, if these take long.
	numberTime = 200 * time.Millisecond
	// maxOpening is how many files are being opened at a time. If a file system hangs, each
	// of them keeps a thread of the system; the process may have 10,000 threads.
	maxOpening = 64
	// openTime is how long a request waits until it may open a file.
	openTime = 5 * time.Second
)

var (
	// ErrNotFound means that no file has the path, or that the file may not be read. Clients
	// can't tell which, so they can't find out what exists outside of the served files.
	ErrNotFound = errors.New("no such file")
	// ErrBusy means that the process is out of file descriptors, or that too many files are
	// being opened, for example on a file system that hangs.
	ErrBusy = errors.New("wsrun has too many files open: try again later")
	// ErrFull means that too many files, or filtered views, are followed already.
	ErrFull = fmt.Errorf("%d files are followed already, or %d filtered ones, which is the most", maxFollowed, maxFiltered)
	// ErrArchive means that the file is compressed, and so can be read but not followed.
	ErrArchive = errors.New("a compressed file can't be followed")
)

// Options says which files are served, and how much of each followed file is kept.
type Options struct {
	Root    *filetail.Root
	Watcher *filetail.Watcher    // if nil, files are polled
	List    filetail.ListOptions // files that it leaves out can't be opened either

	Lines, Bytes int // limits of the ring of each followed file

	Panics *hub.Panics // contains the panics of goroutines; may be nil
}

// Logs is a registry of followed files. Its methods may be called concurrently.
type Logs struct {
	o    Options
	read atomic.Int64 // bytes read from followed files so far

	mu       sync.Mutex
	followed map[view]*follower
	filtered int                // number of followed views with a filter
	filters  int                // instructions of these
	idled    int64              // how often a follower has lost its last viewer
	closed   bool               // End was called
	leaving  map[*follower]bool // dropped, but still running
	past     tally              // of all followers so far; its chunks only of those that have ended

	list      *lister
	indexes   indexes
	epochs    epochs
	pieces    history.Pieces[*index] // of followed files, for viewers that are behind the ring
	opening   chan struct{}          // has an element for each request that is opening a file
	loading   chan struct{}          // the turns of followers without a filter; see filetail.FollowOptions
	filtering chan struct{}          // those of the others, which need a processor for longer
	indexing  turns                  // those of who reads a file to number its lines
	following sync.WaitGroup         // the goroutines that follow
	stopping  chan struct{}          // closed by End
}

// A tally counts followers that were started and dropped, and chunks published.
type tally struct{ started, dropped, chunks int64 }

// New returns a registry. The caller must call Close before it closes o.Root and o.Watcher.
func New(o Options) *Logs {
	return &Logs{
		o: o, followed: map[view]*follower{}, leaving: map[*follower]bool{},
		list:    newLister(func(ctx context.Context) ([]filetail.File, bool, error) { return o.Root.List(ctx, o.List) }, o.Panics),
		opening: make(chan struct{}, maxOpening), stopping: make(chan struct{}),
		loading: make(chan struct{}, hub.HalfTheProcessors()), filtering: make(chan struct{}, hub.HalfTheProcessors()),
		indexing: make(turns, hub.HalfTheProcessors()),
	}
}

// Open opens the file at a URL's path, for one request. The error is [ErrNotFound] or
// [ErrBusy]. The caller must call [File.Close].
func (l *Logs) Open(ctx context.Context, path string) (*File, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	select {
	case l.opening <- struct{}{}:
		defer func() { <-l.opening }()
	case <-ctx.Done():
		return nil, ErrBusy
	}
	f, err := l.open(path)
	if err != nil {
		return nil, err
	}
	return &File{logs: l, path: path, f: f}, nil
}

// open opens the file at a path. The error is [ErrNotFound] or [ErrBusy].
func (l *Logs) open(path string) (*os.File, error) {
	if !l.o.Root.Shows(path, l.o.List) {
		return nil, ErrNotFound
	}
	f, err := l.o.Root.Open(path)
	switch {
	case errors.Is(err, filetail.ErrBusy):
		return nil, ErrBusy
	case err != nil:
		return nil, ErrNotFound
	}
	return f, nil
}

// List returns the files that can be opened; see [filetail.Root.List]. The tree is walked once
// for everyone who asks within a second. The error is ctx's, or says that End was called.
func (l *Logs) List(ctx context.Context) (*List, error) { return l.list.get(ctx) }

// FollowList returns the hub of a stream of the list's changes, which has a line of JSON for each
// (docs/protocol.md). Unless FollowList returns an error, the caller must call leave when it is
// done with the hub. The only error, after [Logs.End], is [ErrNotFound].
func (l *Logs) FollowList(ctx context.Context) (h *hub.Hub, leave func(), err error) {
	return l.list.follow(ctx)
}

// Stats describes the followed views.
type Stats struct {
	Watched, Idle, Filtered int   // views now: with viewers; without; with a filter, among both
	Viewers                 int   // viewers of all views
	Started, Dropped        int64 // views so far: followed; no longer followed for lack of viewers
	Read, Chunks            int64 // so far: bytes read from followed files; chunks published
	RingBytes, RingLines    int64 // bytes and lines in all rings now
}

// Stats returns the current statistics.
func (l *Logs) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{
		Filtered: l.filtered, Started: l.past.started, Dropped: l.past.dropped,
		Read: l.read.Load(), Chunks: l.past.chunks,
	}
	for f := range l.leaving {
		s.Chunks += f.hub.Stream.Stats().Chunks
	}
	for _, f := range l.followed {
		if f.viewers > 0 {
			s.Watched++
		} else {
			s.Idle++
		}
		s.Viewers += f.viewers
		st := f.hub.Stream.Stats()
		s.Chunks += st.Chunks
		s.RingBytes += st.End - st.Start
		s.RingLines += st.Lines
	}
	return s
}

// End ends all streams, which closes their viewers' connections, and makes reading content
// fail. No file can be followed afterwards. End is idempotent.
func (l *Logs) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.stopping)
	for _, f := range l.followed {
		f.cancel()
	}
	l.list.end()
}

// Close calls End and waits until every follower has ended. It doesn't wait long for a walk of
// the tree, which a file system that hangs can hold up. All viewers must have disconnected.
func (l *Logs) Close() {
	l.End()
	for _, f := range l.followed { // once closed is set, no other goroutine changes the map
		f.idle.Stop()
		<-f.done
		f.hub.Close()
	}
	l.following.Wait() // also for followers that were dropped just before
	l.list.close()
}

// newHub returns a hub for a stream of lines that ends with wsrun, or before.
func newHub(o hub.Options) *hub.Hub {
	o.LF, o.Ephemeral, o.Started = true, true, time.Now()
	return hub.New(o)
}

// Stopping returns a channel that End closes.
func (l *Logs) Stopping() <-chan struct{} { return l.stopping }
