package server

import (
	"context"
	"errors"
	"runtime"
	"slices"
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
	walkers []*walker // none while there are no viewers
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
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	for len(c.walkers) < max(1, runtime.GOMAXPROCS(0)/2) { // the others are the command's
		w := &walker{c: c, called: make(chan struct{}, 1)}
		c.walkers = append(c.walkers, w)
		c.running.Go(w.run)
	}
	w := c.walkers[c.entered%len(c.walkers)]
	c.entered++

	v.spot.mu.Lock()
	defer v.spot.mu.Unlock()
	select {
	case <-v.left:
		return false
	default:
	}
	v.wire.hurry(true)
	v.spot.walker = w
	w.call(&w.came, v)
	return true
}

// dismiss takes away a walker that has nobody, and tells whether that is so.
func (c *crowd) dismiss(w *walker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.here)+len(w.came) > 0 {
		return false
	}
	c.walkers = slices.DeleteFunc(c.walkers, func(other *walker) bool { return other == w })
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
	c      *crowd
	called chan struct{} // something is in came or calls
	mu     sync.Mutex
	came   []*viewer // to be here
	calls  []*viewer // to be seen to at once, though nothing was written
	here   []*viewer // all, and some that have left; only of run
}

// call puts v into a list of the walker's, and wakes it.
func (w *walker) call(list *[]*viewer, v *viewer) {
	w.mu.Lock()
	*list = append(*list, v)
	w.mu.Unlock()
	select {
	case w.called <- struct{}{}:
	default:
	}
}

// run ends with the crowd, or when nobody is here any more.
func (w *walker) run() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	f := w.c.f
	wake := f.Stream.Changed()
	_, told := f.audience.count()
	for {
		select {
		case <-wake:
			wake = f.Stream.Changed()
		case <-told:
			_, told = f.audience.count()
		case <-ticker.C:
			if w.c.dismiss(w) {
				return
			}
		case <-w.called:
			w.answer()
			continue
		case <-w.c.ctx.Done():
			return
		}
		w.walk()
	}
}

// answer sees to those who came or called.
func (w *walker) answer() {
	w.mu.Lock()
	came, calls := w.came, w.calls
	w.came, w.calls = nil, nil
	w.mu.Unlock()
	now := time.Now()
	n, _ := w.c.f.audience.count()
	for _, v := range came {
		if w.serve(v, now, n) {
			w.here = append(w.here, v)
		}
	}
	for _, v := range calls {
		if !w.serve(v, now, n) {
			w.here = slices.DeleteFunc(w.here, func(other *viewer) bool { return other == v })
		}
	}
}

// walk sees to all, in the order in which they came: so their memory is near to that
// of the last one.
func (w *walker) walk() {
	now := time.Now()
	n, _ := w.c.f.audience.count()
	w.here = slices.DeleteFunc(w.here, func(v *viewer) bool { return !w.serve(v, now, n) })
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
		w.call(&w.calls, v)
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
