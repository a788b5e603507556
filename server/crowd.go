package server

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// beat is how often the crowd's pings are looked at.
const beat = time.Second

// errCrowd says that a viewer has all there is and is in the crowd now.
var errCrowd = errors.New("in the crowd")

// A crowd is the viewers of a stream that have all there is. A few goroutines write
// what comes to one after the other: to wake one for each viewer costs a quarter of
// what the write itself does, and a stack each. A viewer that takes no more is given
// a goroutine of its own until it has all again.
type crowd struct {
	f      *feed
	ctx    context.Context // done when it is closed
	cancel context.CancelFunc

	mu      sync.Mutex
	walkers []*walker // nil before the first viewer
	entered int       // viewers, ever
	running sync.WaitGroup
}

func newCrowd(f *feed) *crowd {
	c := &crowd{f: f}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// close ends what the crowd started, and waits for it. The viewers should have left.
func (c *crowd) close() {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.running.Wait()
}

// enter takes a viewer in. It is false of one that can't be written to without
// waiting, and of one that has left.
func (c *crowd) enter(v *viewer) bool {
	if !v.wire.direct() {
		return false
	}
	c.mu.Lock()
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return false
	}
	for len(c.walkers) < runtime.GOMAXPROCS(0) {
		w := &walker{f: c.f, called: make(chan struct{}, 1), here: map[*viewer]struct{}{}}
		c.walkers = append(c.walkers, w)
		c.running.Go(func() { w.run(c.ctx) })
	}
	w := c.walkers[c.entered%len(c.walkers)]
	c.entered++
	c.mu.Unlock()

	v.spot.mu.Lock()
	select {
	case <-v.left:
		v.spot.mu.Unlock()
		return false
	default:
	}
	v.wire.hurry(true)
	v.spot.walker = w
	v.spot.mu.Unlock()
	w.call(v)
	return true
}

// A spot is a viewer's in the crowd. Who holds mu and finds walker set may use the
// viewer; who sets it to nil must see to it from then on.
type spot struct {
	mu     sync.Mutex
	walker *walker // nil: it is not in the crowd
}

// take takes the viewer out of the crowd, if it is in it.
func (s *spot) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.walker != nil
	s.walker = nil
	return in
}

// A walker writes to a part of the crowd.
type walker struct {
	f      *feed
	called chan struct{} // something is in calls
	mu     sync.Mutex
	calls  []*viewer            // to be seen to at once
	here   map[*viewer]struct{} // all, and some that have left; only of run
}

// call makes the walker see to v.
func (w *walker) call(v *viewer) {
	w.mu.Lock()
	w.calls = append(w.calls, v)
	w.mu.Unlock()
	select {
	case w.called <- struct{}{}:
	default:
	}
}

func (w *walker) run(ctx context.Context) {
	timer := time.NewTimer(beat)
	defer timer.Stop()
	wake := w.f.Stream.Changed()
	_, told := w.f.audience.count()
	for {
		select {
		case <-wake:
			wake = w.f.Stream.Changed()
		case <-told:
			_, told = w.f.audience.count()
		case <-timer.C:
			if len(w.here) > 0 {
				timer.Reset(beat)
			}
		case <-w.called:
			if len(w.here) == 0 {
				timer.Reset(beat)
			}
			w.answer()
			continue
		case <-ctx.Done():
			return
		}
		w.walk()
	}
}

// answer sees to those who have called.
func (w *walker) answer() {
	w.mu.Lock()
	calls := w.calls
	w.calls = nil
	w.mu.Unlock()
	now := time.Now()
	n, _ := w.f.audience.count()
	for _, v := range calls {
		if w.serve(v, now, n) {
			w.here[v] = struct{}{}
		}
	}
}

// walk sees to all.
func (w *walker) walk() {
	now := time.Now()
	n, _ := w.f.audience.count()
	for v := range w.here {
		if !w.serve(v, now, n) {
			delete(w.here, v)
		}
	}
}

// serve sends v what there is for it, if it is here, and tells whether it still is
// then.
func (w *walker) serve(v *viewer, now time.Time, viewers int) bool {
	v.spot.mu.Lock()
	defer v.spot.mu.Unlock()
	if v.spot.walker != w {
		return false
	}
	err := v.catchUp(now, viewers)
	if err == nil && !v.wire.blocked() {
		return true
	}
	v.spot.walker = nil
	v.wire.hurry(false)
	if err == nil {
		go v.run()
	} else {
		go v.leave(err)
	}
	return false
}

// call makes the crowd see to the viewer, if it is in it.
func (v *viewer) call() {
	v.spot.mu.Lock()
	w := v.spot.walker
	v.spot.mu.Unlock()
	if w != nil {
		w.call(v)
	}
}

// catchUp sends what there is, as far as that goes without waiting.
func (v *viewer) catchUp(now time.Time, viewers int) error {
	for !v.wire.blocked() {
		item, wait, err := v.cursor.Poll()
		switch {
		case err != nil:
			return v.atEnd()
		case wait != nil:
			if err := v.viewers(viewers); err != nil {
				return err
			}
			return v.heartbeat(now)
		}
		if err := v.item(item); err != nil {
			return err
		}
	}
	return nil
}
