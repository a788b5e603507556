package hub

import (
	"sync"
	"time"
)

// announceInterval is the least time between two announcements of the number of viewers.
const announceInterval = time.Second

// An audience counts a hub's viewers and announces changes of their number. Its methods may be
// called concurrently. Its timer stops with close.
type audience struct {
	panics    *Panics
	mu        sync.Mutex
	n         int
	changed   chan struct{} // closed and replaced at each announcement
	announced time.Time     // time of the last announcement
	timer     *time.Timer   // set while an announcement is due
	closed    bool
}

func newAudience(panics *Panics) *audience {
	return &audience{panics: panics, changed: make(chan struct{})}
}

// add adds delta to the number of viewers, and schedules an announcement.
func (a *audience) add(delta int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += delta
	if a.timer == nil && !a.closed {
		a.schedule(max(announceInterval-time.Since(a.announced), 0))
	}
}

// schedule makes an announcement due after d. mu must be held.
func (a *audience) schedule(d time.Duration) { a.timer = time.AfterFunc(d, a.announce) }

func (a *audience) announce() {
	defer a.panics.Contain("announce the number of viewers", a.postpone)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = nil
	if !a.closed {
		a.announced = time.Now()
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// postpone schedules an announcement that has panicked again, in case that it was not made.
func (a *audience) postpone() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.schedule(announceInterval)
	}
}

// count returns the current number of viewers, and a channel that is closed at the next
// announcement.
func (a *audience) count() (int, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n, a.changed
}

// close stops all announcements. The count still works.
func (a *audience) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
