package hub

import "time"

const (
	// pingCheck is how often a writer checks which viewers are due a ping. At each check it also
	// retires if it has no viewers.
	pingCheck = time.Second
	// countDelay is how long a writer waits after an announcement before it sends the number of
	// viewers. When thousands connect at once, it can't send each number to all others.
	countDelay = 100 * time.Millisecond
	// passTime is the least time from the start of a pass to the start of the next, for each
	// viewer, once there are more than maxParallelViewers. A writer needs about half of it to
	// write to a viewer. Without that limit, a fast processor would send thousands of viewers
	// each line on its own, which costs more CPU time (docs/facts.md, hub).
	passTime = 12 * time.Microsecond
)

// A writerLoop is the state of a writer's event loop. A channel is nil while the loop must ignore it.
type writerLoop struct {
	*writer

	changed <-chan struct{} // closed when there is output after the last pass
	output  <-chan struct{} // changed, or nil while no pass may start
	counted <-chan struct{} // closed at the next announcement; nil from then until the next count

	queueTurn chan<- struct{} // the pool's queueTurns while the writer wants to serve its queue
	passTurn  chan<- struct{} // the pool's passTurns while the writer wants to make a pass

	pings      *time.Ticker // every pingCheck
	countTimer *time.Timer  // fires countDelay after an announcement
	countDue   bool         // the next pass sends the number of viewers
	rest       *time.Timer  // fires when the next pass may start; see passTime
}

// run serves the writer's viewers until the pool is closed, or until the writer retires because it has
// no viewers. The pool waits for it, and calls restore and run again if it panics.
func (w *writer) run() {
	l := writerLoop{writer: w, pings: time.NewTicker(pingCheck), countTimer: time.NewTimer(countDelay)}
	defer l.pings.Stop()
	defer l.countTimer.Stop()
	l.changed = w.pool.hub.Stream.Changed()
	l.output = l.changed
	_, l.counted = w.pool.hub.audience.count()
	l.rest = time.NewTimer(0)
	defer l.rest.Stop()
	l.loop()
}

func (l *writerLoop) loop() {
	for {
		select {
		case <-l.output:
			l.startPass()
		case <-l.counted:
			l.counted = nil
			l.countTimer.Reset(countDelay)
		case <-l.countTimer.C:
			l.countDue = true
			l.startPass()
		case <-l.pings.C:
			if l.pool.retire(l.writer) {
				return
			}
			l.startPass()
		case <-l.wakeup:
			l.queueTurn = l.pool.queueTurns
		case l.queueTurn <- struct{}{}:
			l.takeQueueTurn()
		case l.passTurn <- struct{}{}:
			l.takePassTurn()
		case <-l.rest.C:
			l.output = l.changed
		case <-l.pool.ctx.Done():
			return
		}
	}
}

// takeQueueTurn serves the queue, and then gives its turn back.
func (l *writerLoop) takeQueueTurn() {
	defer func() { <-l.pool.queueTurns }() // even after a panic
	l.queueTurn = nil
	l.serveQueue()
}

// takePassTurn makes a pass, and then gives its turn back.
func (l *writerLoop) takePassTurn() {
	defer func() { <-l.pool.passTurns }() // even after a panic
	n, _ := l.pool.hub.audience.count()
	l.rest.Reset(time.Duration(n) * passTime)
	l.makePass()
	l.output = nil // until rest fires
}

// startPass makes a pass now, or if there are many viewers, when the writer gets its turn.
func (l *writerLoop) startPass() {
	if n, _ := l.pool.hub.audience.count(); n > maxParallelViewers {
		l.passTurn, l.output = l.pool.passTurns, nil
		return
	}
	l.makePass()
}

// makePass makes a pass. Output that is published during the pass makes the loop start another.
func (l *writerLoop) makePass() {
	l.passTurn, l.changed = nil, l.pool.hub.Stream.Changed()
	l.output = l.changed
	n := noCount
	if l.countDue {
		l.countDue = false
		n, l.counted = l.pool.hub.audience.count()
	}
	l.pass(n)
}
