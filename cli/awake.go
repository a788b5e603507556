package cli

import "time"

// awakeTick is how precisely awake measures.
const awakeTick = 100 * time.Millisecond

// awake returns a channel that is closed when wsrun has been running for d. The time during which it
// was stopped or suspended doesn't count, because others could do nothing about it. awake starts a
// goroutine, which ends after d.
func awake(d time.Duration) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range d / awakeTick {
			time.Sleep(awakeTick)
		}
	}()
	return over
}
