package server

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// beat is how often the crowd's pings are looked at.
	beat = time.Second
	// atATime is about how much a viewer is sent before it is the others' turn, in bytes.
	atATime = 256 << 10
	// perWalker is how many viewers there are before another goroutine writes to some.
	perWalker = 250
)

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
	v.wire.hurry(true) // which may wait, so that nobody else may have to
	if c.place(v) {
		return true
	}
	v.wire.hurry(false)
	return false
}

// place gives a viewer its walker.
func (c *crowd) place(v *viewer) bool {
	n, _ := c.f.audience.count()
	most := max(1, runtime.GOMAXPROCS(0)/2) // the other processors are the command's
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	for len(c.walkers) < min(most, 1+n/perWalker) {
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
	v.spot.walker = w
	v.spot.called.Store(false)
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
	walker *walker     // nil: it is not in the crowd
	called atomic.Bool // it is in the walker's calls
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
	calls  []*viewer // to be seen to at once: who asked something, or takes long
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
		v.spot.called.Store(false)
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
	more, err := v.catchUp(now, viewers)
	if err == nil && !v.wire.blocked() {
		if more {
			w.recall(v)
		}
		return true
	}
	v.spot.walker = nil
	v.wire.hurry(false)
	if err == nil || err == errGap {
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
		w.recall(v)
	}
}

// recall makes the walker see to v, which is here, soon.
func (w *walker) recall(v *viewer) {
	if !v.spot.called.Swap(true) {
		w.call(&w.calls, v)
	}
}

// errGap says that a viewer is to go on at another place, which takes too long for the
// crowd.
var errGap = errors.New("the viewer fell out of the ring")

// catchUp sends what there is, as far as that goes without waiting, and tells whether
// there may be more.
func (v *viewer) catchUp(now time.Time, viewers int) (more bool, err error) {
	if err := errors.Join(v.viewers(viewers), v.heartbeat(now)); err != nil {
		return false, err
	}
	for before := v.sent; !v.wire.blocked(); {
		if v.sent-before >= atATime {
			return true, nil
		}
		item, wait, err := v.cursor.Poll()
		switch {
		case err != nil:
			return false, v.atEnd()
		case wait != nil:
			return false, nil
		case item.Reset != nil:
			v.lost = item.Reset
			return false, errGap
		}
		if err := v.item(item); err != nil {
			return false, err
		}
	}
	return false, nil
}
