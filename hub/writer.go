package hub

import (
	"slices"
	"sync"
	"time"

	"wsrun/broadcaster"
)

const (
	// noCount stands for a number of viewers that isn't to be sent.
	noCount = -1
	// turnTime is how long a writer serves its queue before the current viewers get their turn.
	turnTime = 5 * time.Millisecond
	// burstBytes is about how many bytes a viewer is sent before the next one gets its turn.
	burstBytes = 256 << 10
	// corkBytes is how many bytes a viewer is sent in its turn before its packets are filled.
	corkBytes = 32 << 10
)

// A writer writes to some of the writer pool's viewers. Those are either current, which means that they
// had all output at the last pass, or in the queue.
type writer struct {
	pool    *writerPool
	clock   *awakeClock
	wakeup  chan struct{} // has an element if there may be something in queue
	mu      sync.Mutex
	queue   []*viewer // viewers to serve in turn: they are new, need an answer, or don't have all output
	current []*viewer // viewers that had all output, and some that have left; only run's goroutine uses it
	serving *viewer   // taken out of the queue, and not yet served; likewise
}

// enqueue puts v at the end of the queue, unless v is in the queue already. v must be w's, and
// v.member.mu must be held.
func (w *writer) enqueue(v *viewer) {
	if v.member.queued {
		return
	}
	v.member.queued = true
	w.mu.Lock()
	w.queue = append(w.queue, v)
	w.mu.Unlock()
	w.wake()
}

func (w *writer) wake() {
	select {
	case w.wakeup <- struct{}{}:
	default:
	}
}

// waiting returns the viewers in the queue.
func (w *writer) waiting() []*viewer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.queue)
}

// dequeue takes the first viewer out of the queue. It reports false if the queue is empty.
func (w *writer) dequeue() (*viewer, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil
		return nil, false
	}
	v := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return v, true
}

// serveQueue serves the queue for up to turnTime: viewers that have all output shouldn't have to wait
// for those that don't.
func (w *writer) serveQueue() {
	began, now := time.Now(), w.clock.now()
	n, _ := w.pool.hub.audience.count()
	for time.Since(began) < turnTime {
		v, ok := w.dequeue()
		if !ok {
			return
		}
		w.serving = v
		was, is := w.serve(v, now, n, true)
		w.serving = nil
		switch {
		case is && !was:
			w.current = append(w.current, v)
		case was && !is:
			w.current = slices.DeleteFunc(w.current, func(other *viewer) bool { return other == v })
		}
	}
	w.wake()
}

// pass serves all current viewers, in the order in which they joined: viewers that joined one after the
// other are close to each other in memory. Unless viewers is noCount, pass sends them the number of
// viewers, and makes sure that the viewers in the queue get it later.
func (w *writer) pass(viewers int) {
	now := w.clock.now()
	if viewers != noCount {
		for _, v := range w.waiting() {
			v.member.mu.Lock()
			v.member.countDue = true
			v.member.mu.Unlock()
		}
	}
	w.current = slices.DeleteFunc(w.current, func(v *viewer) bool {
		_, is := w.serve(v, now, viewers, false)
		return !is
	})
}

// serve sends v what there is for it, as far as possible without waiting. It reports whether v was current
// before, and whether it is now: whether v has all output. A viewer from the queue gets the number of
// viewers only if no pass has sent it.
//
// If the code panics, v leaves. The other viewers don't depend on what v has left half done.
func (w *writer) serve(v *viewer, now time.Duration, viewers int, fromQueue bool) (was, is bool) {
	v.member.mu.Lock()
	defer v.member.mu.Unlock()
	defer w.pool.hub.Panics.Contain("write to a viewer", func() { was, is = w.expel(v), false })
	if v.member.writer != w {
		return false, false
	}
	was = v.member.current
	more, out := false, Following
	if v.member.queued || fromQueue {
		out = v.answerPing()
	}
	if fromQueue {
		if was || !v.member.countDue {
			viewers = noCount
		}
		v.member.queued, v.member.countDue = false, false
	}
	if out == Following {
		more, out = v.catchUp(now, viewers)
	}
	switch {
	case out == Following && !v.wire.blocked():
		if is = !more; more {
			w.enqueue(v)
		}
	case out == Following || out == behind:
		v.wire.setNonblocking(false)
		v.member.writer = nil
		go v.run() // [Sessions.Wait] waits for it
	default:
		v.wire.setNonblocking(false)
		v.member.writer = nil
		go v.leave(out) // likewise
	}
	v.member.current = is
	return was, is
}

// expel makes a viewer leave, unless it is w's no longer. It reports whether the viewer was current.
// v.member.mu must be held.
func (w *writer) expel(v *viewer) (was bool) {
	was = v.member.current
	v.member.current = false
	if v.member.writer == w {
		v.member.writer = nil
		go v.leave(Left)
	}
	return was
}

// restore puts all viewers into the queue after a panic, which may have left current in any state: each
// viewer is served there, and becomes current again.
func (w *writer) restore() {
	all := append(w.current, w.serving)
	w.current, w.serving = nil, nil
	for _, v := range all {
		if v != nil {
			w.requeue(v)
		}
	}
}

// requeue puts a viewer of w into the queue, where it may be already.
func (w *writer) requeue(v *viewer) {
	v.member.mu.Lock()
	defer v.member.mu.Unlock()
	if v.member.writer == w {
		v.member.current, v.member.queued = false, slices.Contains(w.waiting(), v)
		w.enqueue(v)
	}
}

// catchUp sends what there is, as far as possible without waiting. It reports whether there may be more
// to send at once. The outcome is behind if the viewer has fallen out of the ring: a writer can't wait for
// the history, and a new start takes too long to make.
func (v *viewer) catchUp(now time.Duration, viewers int) (more bool, out Outcome) {
	if viewers != noCount {
		if out := v.sendCount(viewers); out != Following {
			return false, out
		}
	}
	if out := v.sendPing(now); out != Following {
		return false, out
	}
	for before := v.sent; !v.wire.blocked(); {
		switch {
		case v.sent-before >= burstBytes:
			return true, Following
		case v.sent-before >= corkBytes:
			v.wire.cork(true)
		}
		item, wait, err := v.cursor.Poll()
		switch {
		case err == broadcaster.ErrBehind:
			return false, behind
		case err != nil:
			return false, v.sendEnd()
		case wait != nil:
			v.wire.cork(false)
			return false, Following
		case item.Reset != nil:
			v.gap = item.Reset
			return false, behind
		}
		if out := v.sendItem(item); out != Following {
			return false, out
		}
	}
	return false, Following
}
