// Package logs serves the log files below a [filetail.Root] as streams. However many
// viewers a file has, it is followed once: from the first viewer until a while after the
// last.
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
	"wsrun/hub"
)

const (
	// maxFollowed is how many files, or filtered views of them, are followed at once.
	maxFollowed = 256
	// maxFiltered is how many of them may be filtered views. These read their files from
	// the start, and end with their last viewer.
	maxFiltered = 64
	// idleTime is how long a file is still followed after its last viewer has left.
	idleTime = 30 * time.Second
	// loadTime is how long a viewer that is the first waits for a file's last lines.
	loadTime = 5 * time.Second
)

var (
	// ErrNotFound reports that no file has the path, or none that may be read: a stranger
	// can't learn which.
	ErrNotFound = errors.New("no such file")
	// ErrBusy reports that no file can be opened now, for want of file descriptors.
	ErrBusy = errors.New("wsrun has too many files open: try again later")
	// ErrFull reports that as many files are followed as may be.
	ErrFull = fmt.Errorf("%d files are followed already, or %d filtered ones, which is the most", maxFollowed, maxFiltered)
	// ErrArchive reports that a compressed file can be read, but not followed.
	ErrArchive = errors.New("a compressed file can't be followed")
)

// Options says which files are served, and how much is kept of each that is followed.
type Options struct {
	Root    *filetail.Root
	Watcher *filetail.Watcher    // nil: files are polled
	List    filetail.ListOptions // what it leaves out can't be read either

	Lines, Bytes int // kept of each followed file
}

// Logs is a registry of followed files. Its methods may be called concurrently.
type Logs struct {
	o    Options
	read atomic.Int64 // bytes of followed files, ever

	mu       sync.Mutex
	followed map[view]*follower
	filtered int // followed views that are filtered
	closed   bool
	leaving  map[*follower]bool // dropped, but not at their end yet
	past     tally              // of those that have ended

	stopping chan struct{} // closed when the server is shut down
}

// A tally counts what was done for followed files.
type tally struct{ started, dropped, chunks int64 }

// New returns a registry. The caller must call Close, then may close what o names.
func New(o Options) *Logs {
	return &Logs{o: o, followed: map[view]*follower{}, leaving: map[*follower]bool{}, stopping: make(chan struct{})}
}

// Open opens the file at a URL's path, for one request. The error is [ErrNotFound] or
// [ErrBusy]. The caller must call [File.Close].
func (l *Logs) Open(path string) (*File, error) {
	f, err := l.open(path)
	if err != nil {
		return nil, err
	}
	return &File{logs: l, path: path, f: f}, nil
}

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

// List returns the files that can be read, newest first; cut reports that there are more.
// See [filetail.Root.List].
func (l *Logs) List(ctx context.Context) (files []filetail.File, cut bool, err error) {
	return l.o.Root.List(ctx, l.o.List)
}

// Stats describes what is followed.
type Stats struct {
	Watched, Idle, Filtered int   // views followed now, with viewers and without; the filtered ones among them
	Viewers                 int   // of all of them
	Started, Dropped        int64 // views that began to be followed, and that were dropped since nobody watched them, ever
	Read, Chunks            int64 // bytes read of followed files, and chunks published, ever
	RingBytes, RingLines    int64 // kept now
}

// Stats returns what is followed now.
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

// End ends the streams, so that viewers leave, and starts no others.
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
}

// Close ends all that was started and waits for it. The viewers should have left.
func (l *Logs) Close() {
	l.End()
	for _, f := range l.followed { // no other goroutine changes it once closed is set
		f.idle.Stop()
		<-f.done
		f.hub.Close()
	}
}

// newHub returns a hub for a followed file.
func (l *Logs) newHub(o hub.Options) *hub.Hub {
	o.Kind, o.LF, o.Ephemeral, o.Started = hub.File, true, true, time.Now()
	return hub.New(o)
}

// Stopping is closed by End.
func (l *Logs) Stopping() <-chan struct{} { return l.stopping }
