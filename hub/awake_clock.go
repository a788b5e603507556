package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// awakeTick is the resolution of an awakeClock. A shorter tick would wake an idle wsrun more often.
const awakeTick = 500 * time.Millisecond

// An awakeClock measures how long wsrun has been running. Unlike [time.Now], it stands still while
// wsrun can't run: stopped by a signal, frozen, or in a virtual machine or a computer that is
// suspended. Limits that blame a viewer use it, because nothing that a viewer has sent meanwhile has
// been read yet. Its methods may be called concurrently.
type awakeClock struct {
	ticks   atomic.Int64
	running sync.WaitGroup // the goroutine
}

// newAwakeClock returns a clock and starts its goroutine, which ends when ctx is done.
func newAwakeClock(ctx context.Context, panics *Panics) *awakeClock {
	c := new(awakeClock)
	panics.KeepRunning(&c.running, "measure time", func() { c.run(ctx) }, nil)
	return c
}

// now returns for how long wsrun has been running, give or take awakeTick.
func (c *awakeClock) now() time.Duration { return time.Duration(c.ticks.Load()) * awakeTick }

// run counts ticks. A ticker drops those that nothing receives, so a pause adds one at most. The first
// tick after a pause isn't counted either: what arrived during the pause must be read first. But on a
// machine that is always late, every second tick counts.
func (c *awakeClock) run(ctx context.Context) {
	ticker := time.NewTicker(awakeTick)
	defer ticker.Stop()
	for last, counted := time.Now(), true; ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		if counted = now.Sub(last) < 2*awakeTick || !counted; counted {
			c.ticks.Add(1)
		}
		last = now
	}
}
