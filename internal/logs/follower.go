package logs

import (
	"context"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"wsrun/broadcaster"
	"wsrun/filetail"
	"wsrun/hub"
)

// A view identifies content that can be followed: a file, or the lines of a file that a filter
// passes.
type view struct {
	path   string
	expr   string // the filter's expression; empty without a filter
	invert bool
}

// A follower follows one view, for all its viewers. Its goroutine is started by [Logs.start].
type follower struct {
	view   view
	hub    *hub.Hub
	intake *intake
	cancel context.CancelFunc // ends the goroutine
	done   chan struct{}      // closed when the goroutine has ended

	viewers int         // guarded by Logs.mu
	idle    *time.Timer // drops the follower; runs while the follower has no viewers
	since   int64       // while it has no viewers: its place in the order of those; guarded by Logs.mu
	failed  bool        // the goroutine has panicked; guarded by Logs.mu
}

// join returns the follower of a view. If there is none, join starts one that reads the open
// file f. (If the file was rotated since f was opened, the follower's first poll notices.) If there
// are too many followers, the one that has had no viewers for the longest time makes room. In any
// case, join takes ownership of f. Unless it returns an error, the caller must call leave.
func (l *Logs) join(v view, filter Filter, f *os.File) (*follower, error) {
	follower, started, err := l.enter(v, filter, f)
	if !started {
		f.Close() // without the lock, since the file system may hang
	}
	return follower, err
}

// enter is join without taking ownership of f unless it reports that it has started a follower.
func (l *Logs) enter(v view, filter Filter, f *os.File) (follower *follower, started bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	follower = l.followed[v]
	switch {
	case l.closed:
		return nil, false, ErrNotFound
	case follower == nil && l.full(filter) && !l.makeRoom(filter):
		return nil, false, ErrFull
	case follower == nil:
		follower, started = l.start(v, filter, f), true
	}
	follower.viewers++
	follower.idle.Stop()
	return follower, started, nil
}

// full reports whether there is no room for another view with that filter. mu must be held.
func (l *Logs) full(filter Filter) bool {
	return len(l.followed) >= maxFollowed || !filter.All() && l.fullOfFilters(filter)
}

// fullOfFilters reports whether there is no room for another filter. mu must be held.
func (l *Logs) fullOfFilters(filter Filter) bool {
	return l.filtered >= maxFiltered || l.filters+filter.size > maxFilters
}

// makeRoom drops the follower that has been idle for the longest time, so that there is room for another
// view with that filter. It reports whether there was one. mu must be held.
func (l *Logs) makeRoom(filter Filter) bool {
	var oldest *follower
	filtered := !filter.All() && l.fullOfFilters(filter) // only a filtered view makes room
	for _, f := range l.followed {
		if f.viewers == 0 && (!filtered || f.view.expr != "") && (oldest == nil || f.since < oldest.since) {
			oldest = f
		}
	}
	if oldest == nil {
		return false
	}
	l.remove(oldest)
	l.endLater(oldest)
	return true
}

// start starts a follower of a view, whose goroutine ends when the follower is canceled. Close
// waits for the goroutine; so does drop, if no other view is followed. mu must be held.
func (l *Logs) start(v view, filter Filter, file *os.File) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := l.newFollower(v, filter)
	f.cancel = cancel
	f.idle = time.AfterFunc(idleTime, func() {
		defer l.o.Panics.Contain("drop a file", func() { f.idle.Reset(idleTime) })
		l.drop(f)
	})
	l.followed[v] = f
	l.past.started++
	o := filetail.FollowOptions{
		Open: func() (*os.File, error) {
			if file != nil {
				first := file
				file = nil
				return first, nil
			}
			return l.open(v.path)
		},
		Path: filepath.FromSlash(v.path), Watcher: l.o.Watcher, Lines: l.o.Lines, Bytes: int64(l.o.Bytes), Event: f.intake.Emit,
		Turns: l.loading,
	}
	if f.intake.past != nil {
		o.Reading = f.intake.past.read
	}
	if !filter.All() { // the last lines that pass may be anywhere in the file
		l.filtered++
		l.filters += filter.size
		o.Lines, o.Bytes, o.Turns = -1, 0, l.filtering
	}
	l.following.Go(func() {
		defer close(f.done)
		defer l.o.Panics.Contain("follow a file", func() { l.fail(f) })
		defer func() {
			if file != nil { // it was canceled before it opened the file
				file.Close()
			}
		}()
		filetail.Follow(ctx, f.intake, o)
		f.intake.end()
		f.hub.Stream.Close()
		l.ended(f)
	})
	return f
}

// newFollower returns a follower of a view that isn't started yet.
func (l *Logs) newFollower(v view, filter Filter) *follower {
	b := broadcaster.New(broadcaster.Options{Lines: l.o.Lines, Bytes: l.o.Bytes, Panicked: l.o.Panics.Reporter("publish lines")})
	f := &follower{view: v, done: make(chan struct{})}
	o := hub.Options{Stream: b, Kind: hub.File, Title: v.path, Unnumbered: true, Panics: l.o.Panics}
	var file *past
	if filter.All() {
		file = newPast(l, v.path, b)
		b.SetHistory(file)
		o.History = file
	}
	f.hub = newHub(o)
	if file != nil {
		file.hub = f.hub
	}
	f.intake = newIntake(f.hub, filter, file, &l.read)
	return f
}

// fail ends the stream of a follower whose goroutine has panicked, so that its viewers reconnect. They
// then find another follower. The hub stays until they have left, since it has to tell them.
func (l *Logs) fail(f *follower) {
	defer l.ended(f)
	defer f.intake.end()
	defer f.hub.Stream.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.followed[f.view] != f { // Close or drop ends it
		return
	}
	l.remove(f)
	f.failed = true
	if f.viewers == 0 {
		l.endLater(f)
	}
}

// wait implements [File.Follow].
func (f *follower) wait(ctx context.Context) {
	select {
	case <-f.intake.begun:
	case <-ctx.Done():
		return
	}
	wait := time.NewTimer(loadTime)
	defer wait.Stop()
	select {
	case <-f.intake.loaded:
	case <-wait.C:
		return
	case <-ctx.Done():
		return
	}
	wait.Reset(numberTime)
	select {
	case <-f.hub.Numbered():
	case <-wait.C:
	case <-ctx.Done():
	}
}

// leave ends a viewer's use of a follower.
func (l *Logs) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.viewers--
	if f.failed && f.viewers == 0 {
		l.endLater(f)
		return
	}
	if f.viewers > 0 || l.closed {
		return
	}
	l.idled++
	f.since = l.idled
	if f.view.expr != "" {
		f.idle.Reset(0)
	} else {
		f.idle.Reset(idleTime)
	}
}

// drop ends a follower that still has no viewers.
func (l *Logs) drop(f *follower) {
	dropped, last := l.removeIdle(f)
	if !dropped {
		return
	}
	l.end(f)
	if last {
		<-f.done
		debug.FreeOSMemory() // returns the rings of what may have been many files
	}
}

// removeIdle takes a follower out of the registry if it has no viewers. It reports whether it did, and
// whether that was the last follower.
func (l *Logs) removeIdle(f *follower) (removed, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.viewers > 0 || l.closed || l.followed[f.view] != f {
		return false, false
	}
	l.remove(f)
	return true, len(l.followed) == 0
}

// remove takes a follower out of the registry. The caller must call end. mu must be held.
func (l *Logs) remove(f *follower) {
	delete(l.followed, f.view)
	l.leaving[f] = true
	l.past.dropped++
	if f.view.expr != "" {
		l.filtered--
		l.filters -= f.intake.filter.size
	}
}

// endLater calls end in a goroutine, for which Close waits: end may wait for viewers' writers.
func (l *Logs) endLater(f *follower) {
	l.following.Go(func() {
		defer l.o.Panics.Contain("drop a file", f.cancel)
		l.end(f)
	})
}

// end ends a follower that was removed.
func (l *Logs) end(f *follower) {
	f.idle.Stop()
	f.cancel()
	f.hub.Close()
}

// ended adds the counts of a follower that was dropped to those of the past.
func (l *Logs) ended(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving[f] {
		delete(l.leaving, f)
		l.past.chunks += f.hub.Stream.Stats().Chunks
	}
}
