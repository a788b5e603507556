package hub

import (
	"sync"
	"time"
)

// announceInterval is the least time between two tellings of the number of viewers.
const announceInterval = time.Second

// An audience counts viewers and tells them how many they are. Its timer ends
// with close.
type audience struct {
	mu        sync.Mutex
	n         int
	changed   chan struct{} // closed and renewed when n is to be told
	announced time.Time     // when that was
	timer     *time.Timer   // runs while n may be news to somebody
	closed    bool
}

func newAudience() *audience { return &audience{changed: make(chan struct{})} }

// add counts delta viewers more.
func (a *audience) add(delta int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += delta
	if a.timer == nil && !a.closed {
		a.timer = time.AfterFunc(max(announceInterval-time.Since(a.announced), 0), a.announce)
	}
}

func (a *audience) announce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = nil
	if !a.closed {
		a.announced = time.Now()
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// count returns how many there are now, and what is closed when that is to be
// told anew.
func (a *audience) count() (int, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n, a.changed
}

func (a *audience) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
