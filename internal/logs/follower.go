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

// A view names what is followed: a file, or the lines of one that a filter lets through.
type view struct {
	path   string
	expr   string // of the filter; empty without one
	invert bool
}

// A follower follows one view, for all its viewers.
type follower struct {
	view   view
	hub    *hub.Hub
	intake *intake
	cancel context.CancelFunc
	done   chan struct{} // closed at the end of the goroutine that follows

	viewers int         // guarded by Logs.mu
	idle    *time.Timer // drops the follower; runs while it has no viewers
}

// join returns the follower of a view, and starts it from f, which is open, where there is
// none. It takes over f. The caller must call leave.
func (l *Logs) join(v view, filter Filter, f *os.File) (*follower, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.followed[v]
	if one != nil || l.closed || l.full(filter) {
		f.Close()
	}
	switch {
	case l.closed:
		return nil, ErrNotFound
	case one == nil && l.full(filter):
		return nil, ErrFull
	case one == nil:
		one = l.start(v, filter, f)
	}
	one.viewers++
	one.idle.Stop()
	return one, nil
}

// full reports whether no other view may be followed. mu must be held.
func (l *Logs) full(filter Filter) bool {
	return len(l.followed) >= maxFollowed || !filter.All() && l.filtered >= maxFiltered
}

// start follows a view in a goroutine that ends with cancel. Close, and the drop of the
// last one, wait for it. mu must be held.
func (l *Logs) start(v view, filter Filter, file *os.File) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	b := broadcaster.New(broadcaster.Options{Lines: l.o.Lines, Bytes: l.o.Bytes})
	f := &follower{view: v, hub: l.newHub(hub.Options{Stream: b, Title: v.path}), cancel: cancel, done: make(chan struct{})}
	f.intake = newIntake(f.hub, filter, &l.read)
	f.idle = time.AfterFunc(idleTime, func() { l.drop(f) })
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
	}
	if !filter.All() { // its last lines may be anywhere
		l.filtered++
		o.Lines, o.Bytes = -1, 0
	}
	go func() {
		defer close(f.done)
		filetail.Follow(ctx, f.intake, o)
		f.intake.end()
		b.Close()
		l.ended(f)
	}()
	return f
}

// leave gives a follower back.
func (l *Logs) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.viewers--
	if f.viewers > 0 || l.closed {
		return
	}
	if f.view.expr != "" {
		f.idle.Reset(0)
	} else {
		f.idle.Reset(idleTime)
	}
}

// drop ends a follower that has no viewers.
func (l *Logs) drop(f *follower) {
	l.mu.Lock()
	if f.viewers > 0 || l.closed || l.followed[f.view] != f {
		l.mu.Unlock()
		return
	}
	delete(l.followed, f.view)
	l.leaving[f] = true
	l.past.dropped++
	if f.view.expr != "" {
		l.filtered--
	}
	last := len(l.followed) == 0
	l.mu.Unlock()
	f.cancel()
	f.hub.Close()
	if last {
		<-f.done
		debug.FreeOSMemory() // many may have been followed: their rings are gone
	}
}

// ended moves what a dropped follower has counted to the past.
func (l *Logs) ended(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving[f] {
		delete(l.leaving, f)
		l.past.chunks += f.hub.Stream.Stats().Chunks
	}
}
