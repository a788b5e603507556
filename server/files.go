package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
)

const (
	// maxFollowed is how many files, or filtered views of them, are followed at once.
	maxFollowed = 256
	// idleFollow is how long a file is followed on after its last viewer.
	idleFollow = 30 * time.Second
	// maxFiltered is how many of those followed may be filtered views. They read
	// their files from the start, and end with their last viewer.
	maxFiltered = 64
	// loadTime is how long a first viewer waits for a file's last lines.
	loadTime = 5 * time.Second
	// defaultFileLines is how much of a file is sent to those who don't say.
	defaultFileLines = 1000
)

// Files gives the log files that are served. Paths are those of URLs. Its methods
// may be called concurrently; an error of Open but [ErrBusy] means that there is no such
// file, or none that may be read, for which Content has [ErrNoFile].
type Files interface {
	Open(path string) (*os.File, error)
	// Compressed tells whether a file can only be viewed, not followed.
	Compressed(path string) bool
	// Content returns what is in a file from its last lines on, decompressed if its
	// name says that it is compressed; all of it if lines is negative.
	Content(path string, lines int) (io.ReadCloser, error)
	// Follow writes a file's last lines, at most so many and so many bytes, to w, and
	// then what is appended, until ctx is done. It calls event in order with that,
	// first with a FileStart.
	Follow(ctx context.Context, path string, lines int, bytes int64, w io.Writer, event func(any)) error
	// List returns the files, newest first, and whether there are more.
	List(ctx context.Context) (files []File, cut bool, err error)
}

// A File is one that is listed.
type File struct {
	Path     string    `json:"path"`
	Link     string    `json:"link"` // set by the server
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
}

// FileStart says what is followed: from Left bytes before the file's end on, which
// is its very start if FromStart.
type FileStart struct {
	Left      int64
	FromStart bool
}

// FileOptions says which files are served, and how much is kept of each that is
// followed.
type FileOptions struct {
	Files
	Lines, Bytes int
}

// ErrNoFile says that there is no file of a path, or none that may be read; ErrBusy,
// that none can be opened now, for want of file descriptors.
var (
	ErrNoFile = errors.New("no such file")
	ErrBusy   = errors.New("wsrun has too many files open: try again later")
)

var errFull = fmt.Errorf("%d files are followed already, or %d filtered ones, which is the most", maxFollowed, maxFiltered)

// files are those that are served. Each is followed by one goroutine, however many
// watch it: from the first viewer until idleFollow after the last, or close.
type files struct {
	FileOptions
	mu       sync.Mutex
	followed map[followKey]*follower
	filtered int // of those
	closed   bool
	leaving  map[*follower]bool // dropped, but not yet at their end
	past     fileTally          // of those that were

	read atomic.Int64 // bytes of files that are followed, ever

	ending context.Context // done when the server is shut down
	end    context.CancelFunc
}

// A fileTally is what was counted of files that are followed.
type fileTally struct{ started, dropped, chunks int64 }

// A followKey names what is followed: a file, or the lines of one that a filter
// lets through.
type followKey struct {
	path   string
	grep   string
	invert bool
}

// A follower follows one file.
type follower struct {
	*hub.Feed
	key    followKey
	loaded chan struct{} // closed when the last lines are there
	cancel context.CancelFunc
	done   chan struct{}
	users  int         // guarded by files.mu
	idle   *time.Timer // running while there are none
}

func newFiles(o FileOptions) *files {
	s := &files{FileOptions: o, followed: map[followKey]*follower{}, leaving: map[*follower]bool{}}
	s.ending, s.end = context.WithCancel(context.Background())
	return s
}

// check returns why a file can't be read, if it can't: [ErrNoFile] or [ErrBusy].
func (s *files) check(path string) error {
	f, err := s.Open(path)
	switch {
	case err == nil:
		f.Close()
	case !errors.Is(err, ErrBusy):
		err = ErrNoFile
	}
	return err
}

// follow returns what follows a file, which is to be given back to leave. It waits
// until the file's last lines are there.
func (s *files) follow(ctx context.Context, path string, g grep) (*follower, error) {
	key := followKey{path: path, invert: g.invert}
	if g.re != nil {
		key.grep = g.re.String()
	}
	missing := s.check(path)
	s.mu.Lock()
	f := s.followed[key]
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil, ErrNoFile
	case f == nil && missing != nil: // one that is gone for a while is followed on
		s.mu.Unlock()
		return nil, missing
	case f == nil && (len(s.followed) >= maxFollowed || g.re != nil && s.filtered >= maxFiltered):
		s.mu.Unlock()
		return nil, errFull
	case f == nil:
		f = s.start(key, g)
	}
	f.users++
	if f.idle != nil {
		f.idle.Stop()
		f.idle = nil
	}
	s.mu.Unlock()

	wait := time.NewTimer(loadTime)
	defer wait.Stop()
	select {
	case <-f.loaded:
	case <-wait.C:
	case <-ctx.Done():
	}
	return f, nil
}

// start follows what key names, in a goroutine that ends with cancel. mu must be
// held.
func (s *files) start(key followKey, g grep) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	b := broadcaster.New(broadcaster.Options{Lines: s.Lines, Bytes: s.Bytes})
	f := &follower{
		key: key, Feed: hub.NewFeed(hub.Source{Stream: b, Title: key.path, Started: time.Now()}),
		loaded: make(chan struct{}), cancel: cancel, done: make(chan struct{}),
	}
	f.LF = true
	s.followed[key] = f
	s.past.started++
	lines, bytes := s.Lines, int64(s.Bytes)
	l := &loader{w: b, b: b, loaded: f.loaded, read: &s.read}
	filter := &grepWriter{w: b, grep: g}
	if g.re != nil { // its last lines may be anywhere
		s.filtered++
		lines, bytes = -1, 0
		l.w = filter
	}
	go func() {
		defer close(f.done)
		s.Follow(ctx, key.path, lines, bytes, l, func(event any) {
			switch e := event.(type) {
			case FileStart:
				f.Exact.Store(e.FromStart && g.re == nil)
				l.expect(e.Left)
			case hub.FileEvent:
				filter.finish("\n")
				l.finish()
				b.Emit(e)
			}
		})
		l.finish()
		b.Close()
		s.ended(f)
	}()
	return f
}

// leave gives a follower back.
func (s *files) leave(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users--
	if f.users > 0 || s.closed {
		return
	}
	idle := idleFollow
	if f.key.grep != "" {
		idle = 0
	}
	f.idle = time.AfterFunc(idle, func() { s.drop(f) })
}

// drop ends a follower that nobody watches.
func (s *files) drop(f *follower) {
	s.mu.Lock()
	if f.users > 0 || s.closed || s.followed[f.key] != f {
		s.mu.Unlock()
		return
	}
	delete(s.followed, f.key)
	s.leaving[f] = true
	s.past.dropped++
	if f.key.grep != "" {
		s.filtered--
	}
	last := len(s.followed) == 0
	s.mu.Unlock()
	f.cancel()
	f.Close()
	if last {
		<-f.done
		debug.FreeOSMemory() // many may have been followed: their rings are gone
	}
}

// ended moves what a follower that was dropped has counted to the past.
func (s *files) ended(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving[f] {
		delete(s.leaving, f)
		s.past.chunks += f.Stream.Stats().Chunks
	}
}

// close ends all followers and waits for them.
func (s *files) close() {
	s.endAll()
	for _, f := range s.followed { // nobody changes it any more
		if f.idle != nil {
			f.idle.Stop()
		}
		f.cancel()
		<-f.done
		f.Close()
	}
}

// endAll ends the streams, so that viewers leave, and begins no others.
func (s *files) endAll() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, f := range s.followed {
		f.cancel()
	}
}

// A loader passes a file on and tells when its last lines are through. Its methods
// are called by one goroutine.
type loader struct {
	w      io.Writer
	b      *broadcaster.Broadcaster // behind w
	read   *atomic.Int64            // counts the bytes
	left   int64
	loaded chan struct{}
	over   bool
}

// expect says how many bytes the last lines are.
func (l *loader) expect(left int64) {
	if l.left = left; left <= 0 {
		l.finish()
	}
}

// Write implements [io.Writer].
func (l *loader) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.read.Add(int64(n))
	if l.left -= int64(n); l.left <= 0 {
		l.finish()
	}
	return n, err
}

func (l *loader) finish() {
	if !l.over {
		l.over = true
		l.b.Flush()
		close(l.loaded)
	}
}
