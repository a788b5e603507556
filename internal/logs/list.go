package logs

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"wsrun/filetail"
	"wsrun/hub"
)

const (
	// shareTime is how long after its start a walk's result is given to everyone who asks.
	// A walk of a large tree takes most of a second (docs/facts.md, internal/logs), and no
	// reader notices a list that is a second old.
	shareTime = time.Second
	// shareFactor is how many times as long as it took a walk's result is shared at least.
	// Otherwise, a slow walk would be too old to share as soon as it has ended, and pages
	// that ask for the list because it has changed would start the next walk.
	shareFactor = 2
	// closeTime is how long close waits for a walk, which a file system that hangs can hold
	// up forever.
	closeTime = time.Second
)

// errStopping is the error of a list that was asked for after [Logs.End].
var errStopping = errors.New("wsrun is stopping")

// errPanic is the error of a walk that has panicked.
var errPanic = errors.New("the list could not be made")

// A List is the files that could be opened when the tree was walked. It is shared by everyone
// who asks for it, and must not be changed. As long as the files stay the same, so does the
// List's address.
type List struct {
	Files []filetail.File // newest first
	Cut   bool            // there are more files
}

// equal reports whether two lists show the same files. Either may be nil.
func (l *List) equal(other *List) bool {
	if l == nil || other == nil {
		return l == other
	}
	return l.Cut == other.Cut && slices.EqualFunc(l.Files, other.Files, func(a, b filetail.File) bool {
		return a.Path == b.Path && a.Size == b.Size && a.ModTime.Equal(b.ModTime)
	})
}

// A lister walks the tree of files, once for everyone who asks at about the same time, and
// reports changes to those who follow the list. Its methods may be called concurrently.
//
// At most one walk runs at a time, even if nobody waits for it any more, so that a file system
// that hangs holds up one goroutine and one thread, however many clients ask.
type lister struct {
	tree   func(context.Context) (files []filetail.File, cut bool, err error) // makes a walk
	clock  func() time.Duration                                               // of the thread's processor time
	panics *hub.Panics

	mu     sync.Mutex
	last   *walk // the one that runs, or the last one that ended; nil before the first
	list   *List // of the last walk that found one
	closed bool  // end was called

	// The stream of changes; see changes.go.
	hub       *hub.Hub // nil before the first follower
	shown     *List    // the list that the stream's last line is about
	followers int
	unwatch   context.CancelFunc // ends the watcher; nil before the first follower
	watching  sync.WaitGroup     // the watchers

	stopping chan struct{} // closed by end
}

// A walk is one look at the whole tree.
type walk struct {
	began   time.Time
	cancel  context.CancelFunc
	waiting int // callers that wait for it; guarded by lister.mu

	done chan struct{} // closed when the walk has ended and the fields below are set
	took time.Duration
	used time.Duration // of a processor
	list *List
	err  error
}

func newLister(tree func(context.Context) ([]filetail.File, bool, error), panics *hub.Panics) *lister {
	return &lister{tree: tree, clock: threadTime, panics: panics, stopping: make(chan struct{})}
}

// get returns the list from a walk that is running, or that began less than shareTime ago, or
// else from a new walk. The error is ctx's, errStopping, or that of the walk.
func (l *lister) get(ctx context.Context) (*List, error) {
	for {
		w := l.join()
		if w == nil {
			return nil, errStopping
		}
		select {
		case <-w.done:
		case <-ctx.Done():
		case <-l.stopping:
		}
		l.leave(w)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case w.running():
			return nil, errStopping
		case !errors.Is(w.err, context.Canceled):
			return w.list, w.err
		}
		// It was canceled before this caller joined it, and has ended only now.
	}
}

// join returns the walk to wait for, or nil after end. The caller must call leave.
func (l *lister) join() *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.last == nil || !l.last.running() && !l.last.fresh() {
		l.last = l.start()
	}
	l.last.waiting++
	return l.last
}

// leave ends the wait for a walk, and cancels a walk for which nobody waits any more.
func (l *lister) leave(w *walk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.cancel()
	}
}

// start starts a walk in a goroutine, for which close waits. mu must be held.
func (l *lister) start() *walk {
	ctx, cancel := context.WithCancel(context.Background())
	w := &walk{began: time.Now(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer cancel()
		defer l.panics.Contain("list the files", func() { w.err = errPanic })
		runtime.LockOSThread() // so that its clock is the walk's
		defer runtime.UnlockOSThread()
		used := l.clock()
		files, cut, err := l.tree(ctx)
		w.took, w.used, w.err = time.Since(w.began), l.clock()-used, err
		if err == nil {
			w.list = l.found(&List{files, cut})
		}
	}()
	return w
}

// found takes the list that a walk has found, and returns the previous one if nothing has
// changed.
func (l *lister) found(list *List) *List {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !list.equal(l.list) {
		l.list = list
	}
	l.publish()
	return l.list
}

// running reports whether the walk has yet to end.
func (w *walk) running() bool {
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// fresh reports whether the result is recent enough to be shared. The walk must have ended.
func (w *walk) fresh() bool {
	return w.err == nil && time.Since(w.began) < max(shareTime, shareFactor*w.took)
}

// end cancels the walk, releases everyone who waits for it, and ends the stream of changes,
// which closes its viewers' connections. It is called once.
func (l *lister) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	close(l.stopping)
	if l.last != nil {
		l.last.cancel()
	}
	if l.hub != nil {
		l.unwatch()
		l.hub.Stream.Close()
	}
}

// close waits until everything that the lister has started has ended, but at most closeTime for
// a walk. end must have been called, and all viewers must have disconnected.
func (l *lister) close() {
	l.watching.Wait()
	if l.hub != nil { // once closed is set, no other goroutine changes hub and last
		l.hub.Close()
	}
	if l.last != nil {
		select {
		case <-l.last.done:
		case <-time.After(closeTime):
		}
	}
}
