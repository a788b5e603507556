package hub

import (
	"sync"
	"time"
)

// restartPause is the least time between two starts of a goroutine that panics. A single panic is made
// good at once; one that recurs must not keep a processor busy, or fill the log.
const restartPause = time.Second

// KeepRunning starts a goroutine in running that calls run. If run panics, the goroutine calls mend,
// which may be nil, and another one calls run again. It is for what many viewers depend on.
func (p *Panics) KeepRunning(running *sync.WaitGroup, what string, run, mend func()) {
	began := time.Now()
	running.Go(func() {
		defer p.Contain(what, func() {
			time.Sleep(restartPause - time.Since(began)) // returns at once if that is negative
			defer p.KeepRunning(running, what, run, mend)
			if mend != nil {
				mend()
			}
		})
		run()
	})
}
