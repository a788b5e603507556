package hub

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

const (
	// viewersPerWriter is the number of viewers at which another writer is started.
	viewersPerWriter = 250
	// maxParallelViewers is the largest number of viewers at which all writers may make their
	// passes at once. It is about as many as one writer can send a chunk to before the next
	// chunk is published. With more viewers, half of the writers make a pass at a time, and the
	// chunks that are published meanwhile go out together, which saves CPU time
	// (docs/facts.md, hub).
	maxParallelViewers = 1500
)

// A writerPool writes to those viewers of a hub that accept what they are sent. It has a few
// writers, goroutines that write to one viewer after the other: waking up a goroutine for each viewer
// would cost time (docs/facts.md, hub) and a stack each. A viewer that accepts no more leaves the pool,
// and gets a goroutine that waits until it does.
type writerPool struct {
	hub        *Hub
	ctx        context.Context // done when the pool is closed
	cancel     context.CancelFunc
	queueTurns chan struct{} // holds an element for each writer that is serving its queue
	passTurns  chan struct{} // and one for each that makes a pass with more than maxParallelViewers

	mu      sync.Mutex // locked before the mutex of a membership, which is locked before a writer's
	writers []*writer  // none while there are no viewers
	added   int        // how often a viewer has entered the pool
	running sync.WaitGroup
}

func newWriterPool(h *Hub) *writerPool {
	p := &writerPool{hub: h, queueTurns: make(chan struct{}, HalfTheProcessors()), passTurns: make(chan struct{}, HalfTheProcessors())}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// close stops the writers and waits for them. Viewers that are still in the pool get no more output.
func (p *writerPool) close() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.running.Wait()
}

// add adds a viewer to the pool. It reports false if the viewer can't be written to without waiting,
// is behind the ring, or is leaving.
func (p *writerPool) add(v *viewer) bool {
	if !v.wire.supportsNonblock() || v.cursor.Behind() {
		return false
	}
	v.wire.setNonblocking(true) // before the viewer gets its writer, since it may wait for a lock
	if p.assign(v) {
		return true
	}
	v.wire.setNonblocking(false)
	return false
}

// HalfTheProcessors returns how many goroutines may do one kind of work at once, such as sending
// backlogs. The other processors are for the command, and for live output (docs/facts.md, hub).
func HalfTheProcessors() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// writersFor returns the number of writers that new viewers are spread over, for a number of viewers.
// Earlier viewers keep their writers. More than one writer shortens the time until the last viewer has
// a chunk (docs/facts.md, hub).
func writersFor(viewers int) int { return min(runtime.GOMAXPROCS(0), 1+viewers/viewersPerWriter) }

// assign gives a viewer its writer, which it starts if necessary. It reports false if the pool is
// closed or the viewer is leaving.
func (p *writerPool) assign(v *viewer) bool {
	n, _ := p.hub.audience.count()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false
	}
	wanted := writersFor(n)
	for len(p.writers) < wanted {
		w := &writer{pool: p, clock: v.session.sessions.clock, wakeup: make(chan struct{}, 1)}
		p.writers = append(p.writers, w)
		p.hub.Panics.KeepRunning(&p.running, "write to viewers", w.run, w.restore)
	}
	w := p.writers[p.added%wanted]

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
	p.added++
	v.member.writer, v.member.queued, v.member.current, v.member.countDue = w, false, false, true
	w.enqueue(v)
	return true
}

// retire removes a writer that has no viewers. It reports whether it did.
func (p *writerPool) retire(w *writer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.current)+len(w.queue) > 0 {
		return false
	}
	p.writers = slices.DeleteFunc(p.writers, func(other *writer) bool { return other == w })
	return true
}
