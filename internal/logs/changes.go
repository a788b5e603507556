package logs

import (
	"context"
	"fmt"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
)

const (
	// minPause is the shortest pause between two walks that look for changes, so that there
	// is at most about one notification a second: each makes every page ask for the list.
	minPause = time.Second
	// pauseFactor is how many times as long as a walk uses a processor the pause after it takes.
	// Looking for changes then needs 4 % of a processor, however large the tree is.
	pauseFactor = 25
	// slowFactor is how many times as long as a walk takes the pause is at least. On a busy machine,
	// or on a slow file system, a walk takes much longer than it uses a processor.
	slowFactor = 4
	// maxPause is the longest pause. A walk of as many names as filetail looks at takes about
	// a second of a processor's time. If a walk seems to have taken much longer, the file
	// system is slow, or wsrun was stopped meanwhile.
	maxPause = 2 * time.Minute
)

// follow returns the hub of the stream of changes. The stream has a line for each change of the
// list, of which the last one is kept. The first caller starts a watcher, which walks the tree
// again and again until the last caller has left. Like [File.Follow], follow first waits for the
// list, but at most loadTime, and no longer than ctx. Unless it returns an error, the caller must
// call leave when it is done with the hub. The only error, after end, is [ErrNotFound].
func (l *lister) follow(ctx context.Context) (h *hub.Hub, leave func(), err error) {
	if !l.enter() {
		return nil, nil, ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	l.get(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.publish() // if this is the first follower, and the walk was made before
	return l.hub, l.unfollow, nil
}

// enter counts a follower, and starts the watcher for the first one. close waits for the
// watcher's goroutine. ok is false after end.
func (l *lister) enter() (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.hub == nil {
		b := broadcaster.New(broadcaster.Options{Lines: 1, Panicked: l.panics.Reporter("publish a change")})
		l.hub = newHub(hub.Options{Stream: b, Kind: hub.List, Title: "files", Panics: l.panics})
	}
	if l.followers++; l.followers == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		l.unwatch = cancel
		l.panics.KeepRunning(&l.watching, "watch the list", func() { l.watch(ctx) }, nil)
	}
	return true
}

// unfollow undoes enter.
func (l *lister) unfollow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers--; l.followers == 0 {
		l.unwatch()
	}
}

// publish adds a line to the stream of changes if the list has changed since the last line. It
// doesn't matter for whom the tree was walked. mu must be held.
func (l *lister) publish() {
	if l.hub == nil || l.list == l.shown {
		return
	}
	l.shown = l.list
	l.hub.Stream.Publish(fmt.Appendf(nil, "{\"files\":%d,\"cut\":%t}\n", len(l.list.Files), l.list.Cut), time.Now())
}

// watch walks the tree again and again, until ctx is done.
func (l *lister) watch(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		if l.pause() <= 0 {
			l.get(ctx)
		}
		pause.Reset(l.pause())
	}
}

// pause returns how long it is until the next walk of a watcher, counted from the last walk,
// whoever asked for that one.
func (l *lister) pause() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || l.last.running() {
		return 0
	}
	length := min(max(minPause, pauseFactor*l.last.used, slowFactor*l.last.took), maxPause)
	return time.Until(l.last.began.Add(l.last.took + length))
}
