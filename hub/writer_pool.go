package hub

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// pingCheck is how often the crowd's pings are looked at.
	pingCheck = time.Second
	// countDelay is how soon viewers are told that others came or left: when thousands come
	// at once, all others can't be told of each.
	countDelay = 100 * time.Millisecond
	// noCount is no number of viewers to be told.
	noCount = -1
	// turnTime is for how long those who have not all are seen to until it is the others'.
	turnTime = 5 * time.Millisecond
	// burstBytes is about how much a viewer is sent before it is the next one's turn, in bytes.
	burstBytes = 256 << 10
	// viewersPerWriter is how many viewers there are before another goroutine writes to some.
	viewersPerWriter = 250
	// stepViewers is how many viewers there are at the most while all walkers may walk at once:
	// about as many as one sends a chunk to before the next is published. Of more, half of
	// the walkers do, and what is published meanwhile goes along: else 10,000 viewers cost a
	// fifth more.
	stepViewers = 1500
	// passTime is how long a walker of so many takes at the least from one walk to the next,
	// for each viewer: about half of that is spent writing. Else 10,000 cost a fifth more
	// where a processor is fast enough to write them ten lines a second one by one.
	passTime = 12 * time.Microsecond
)

// A writerPool is the viewers of a stream that take what they are sent. A few goroutines
// write to one after the other: to wake one for each viewer costs a quarter of what the
// write itself does, and a stack each. A viewer that takes no more is given a goroutine
// of its own, to wait until it does.
type writerPool struct {
	hub        *Hub
	ctx        context.Context // done when it is closed
	cancel     context.CancelFunc
	queueTurns chan struct{} // holds one for each walker that sees to its queue
	passTurns  chan struct{} // and one for each that walks while there are more than inAStep

	mu      sync.Mutex // is locked before those of spots and walkers, which are in that order
	writers []*writer  // none while there are no viewers
	added   int        // times that a viewer came in, ever
	running sync.WaitGroup
}

func newWriterPool(f *Hub) *writerPool {
	c := &writerPool{hub: f, queueTurns: make(chan struct{}, halfTheProcessors()), passTurns: make(chan struct{}, halfTheProcessors())}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// close ends what the crowd started, and waits for it. The viewers should have left.
func (c *writerPool) close() {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.running.Wait()
}

// add takes a viewer in. It is false of one that can't be written to without
// waiting, and of one that leaves.
func (c *writerPool) add(v *viewer) bool {
	if !v.wire.supportsNonblock() {
		return false
	}
	v.wire.setNonblocking(true) // which may wait, so that nobody else may have to
	if c.assign(v) {
		return true
	}
	v.wire.setNonblocking(false)
	return false
}

// halfTheProcessors is how many goroutines may be busy with one kind of work, such as to
// send backlogs: the other processors are the command's, and those viewers' who have all.
func halfTheProcessors() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// writersFor returns among how many walkers those who come are divided while there are so
// many viewers; those who are here stay where they are. For 1,000 two make the slowest 5 ms
// faster than one.
func writersFor(viewers int) int { return min(runtime.GOMAXPROCS(0), 1+viewers/viewersPerWriter) }

// assign gives a viewer its walker.
func (c *writerPool) assign(v *viewer) bool {
	n, _ := c.hub.audience.count()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	wanted := writersFor(n)
	for len(c.writers) < wanted {
		w := &writer{pool: c, wakeup: make(chan struct{}, 1)}
		c.writers = append(c.writers, w)
		c.running.Go(w.run)
	}
	w := c.writers[c.added%wanted]

	v.member.mu.Lock()
	defer v.member.mu.Unlock()
	if v.member.closing {
		return false
	}
	select {
	case <-v.left:
		return false
	default:
	}
	c.added++
	v.member.writer, v.member.queued, v.member.current, v.member.countDue = w, false, false, true
	w.enqueue(v)
	return true
}

// retire takes away a walker that has nobody, and tells whether that is so.
func (c *writerPool) retire(w *writer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.current)+len(w.queue) > 0 {
		return false
	}
	c.writers = slices.DeleteFunc(c.writers, func(other *writer) bool { return other == w })
	return true
}

// A membership is a viewer's in the crowd. Who holds mu and finds walker set may use the
// viewer; who sets it to nil must see to it from then on.
type membership struct {
	mu       sync.Mutex
	writer   *writer // nil: it is not in the crowd
	closing  bool    // it is not to go in any more
	queued   bool    // it is in the walker's queue; one that is not may be there from before
	current  bool    // it is in the walker's list of that name
	countDue bool    // it is to be told how many viewers there are, if it is not here
}

// leave takes the viewer out of the crowd, if it is in it.
func (s *membership) leave() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.writer != nil
	s.writer = nil
	return in
}

// close is take, and keeps the viewer out from then on.
func (s *membership) close() bool {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	return s.leave()
}

// A writer writes to a part of the crowd.
type writer struct {
	pool    *writerPool
	wakeup  chan struct{} // something is in queue
	mu      sync.Mutex
	queue   []*viewer // to be seen to one after the other: who came, asked, or has not all
	current []*viewer // who had all, and some that have left; only of run
}

// enqueue puts v, which must be w's, into the queue, if it is not in it. v.spot.mu must be
// held.
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

// waiting returns who is in the queue.
func (w *writer) waiting() []*viewer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.queue)
}

// dequeue takes the first of the queue.
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

// run ends with the crowd, or when nobody is here any more.
func (w *writer) run() {
	ticker := time.NewTicker(pingCheck)
	defer ticker.Stop()
	tell := time.NewTimer(countDelay)
	defer tell.Stop()
	f := w.pool.hub
	wake := f.Stream.Changed()
	_, counted := f.audience.count()
	tells := false                         // at the next walk
	var mayWalk, mayAnswer chan<- struct{} // nil while nobody waits for that
	rest := time.NewTimer(0)               // until it is over, wake is nil
	defer rest.Stop()
	changed := wake
	walk := func() {
		mayWalk, changed = nil, f.Stream.Changed()
		wake = changed
		n := noCount
		if tells {
			tells = false
			n, counted = f.audience.count()
		}
		w.pass(n)
	}
	for {
		select {
		case <-wake:
		case <-counted:
			counted = nil
			tell.Reset(countDelay)
			continue
		case <-tell.C:
			tells = true
		case <-ticker.C:
			if w.pool.retire(w) {
				return
			}
		case <-w.wakeup:
			mayAnswer = w.pool.queueTurns
			continue
		case mayAnswer <- struct{}{}:
			mayAnswer = nil
			w.serveQueue()
			<-w.pool.queueTurns
			continue
		case mayWalk <- struct{}{}:
			n, _ := f.audience.count()
			rest.Reset(time.Duration(n) * passTime)
			walk()
			<-w.pool.passTurns
			wake = nil
			continue
		case <-rest.C:
			wake = changed
			continue
		case <-w.pool.ctx.Done():
			return
		}
		if n, _ := f.audience.count(); n > stepViewers {
			mayWalk, wake = w.pool.passTurns, nil
			continue
		}
		walk()
	}
}

// serveQueue sees to the queue, for a while: those who have all are not to wait for those
// who have not.
func (w *writer) serveQueue() {
	now := time.Now()
	n, _ := w.pool.hub.audience.count()
	for time.Since(now) < turnTime {
		v, ok := w.dequeue()
		if !ok {
			return
		}
		was, is := w.serve(v, now, n, true)
		switch {
		case is && !was:
			w.current = append(w.current, v)
		case was && !is:
			w.current = slices.DeleteFunc(w.current, func(other *viewer) bool { return other == v })
		}
	}
	w.wake()
}

// pass sees to all who had all, in the order in which they came: so their memory is near
// to that of the last one. These are told how many viewers there are, unless that is
// nobody, and those in the queue will be.
func (w *writer) pass(viewers int) {
	now := time.Now()
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

// serve sends v what there is for it, as far as that goes, and tells whether it was and
// is to be in here: whether it had and has all. One from the queue is told how many viewers
// there are only if no walk has told it.
func (w *writer) serve(v *viewer, now time.Time, viewers int, fromQueue bool) (was, is bool) {
	v.member.mu.Lock()
	defer v.member.mu.Unlock()
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
		v.member.writer = nil
		v.wire.setNonblocking(false)
		go v.run()
	default:
		v.member.writer = nil
		v.wire.setNonblocking(false)
		go v.leave(out)
	}
	v.member.current = is
	return was, is
}

// enqueue makes the crowd see to the viewer, if it is in it.
func (v *viewer) enqueue() {
	v.member.mu.Lock()
	defer v.member.mu.Unlock()
	if w := v.member.writer; w != nil {
		w.enqueue(v)
	}
}

// catchUp sends what there is, as far as that goes without waiting, and tells whether
// there may be more. The outcome is behind if the viewer has fallen out of the ring: to
// place it anew takes too long for the crowd.
func (v *viewer) catchUp(now time.Time, viewers int) (more bool, out Outcome) {
	if viewers != noCount {
		if out := v.sendCount(viewers); out != Following {
			return false, out
		}
	}
	if out := v.sendPing(now); out != Following {
		return false, out
	}
	for before := v.sent; !v.wire.blocked(); {
		if v.sent-before >= burstBytes {
			return true, Following
		}
		item, wait, err := v.cursor.Poll()
		switch {
		case err != nil:
			return false, v.sendEnd()
		case wait != nil:
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
