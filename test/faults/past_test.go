//go:build linux

package faults

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestStoppedViewersResume checks that viewers that stop reading in a flood, for so long that the ring loses what
// they need, get every line once, whether they read on or reconnect.
func TestStoppedViewersResume(t *testing.T) {
	t.Parallel()
	c := newCanary(t, load{iterations(4000, 2000), iterations(500, 100)}, "-n", "500", "--buffer", "256KiB", "--history", "4GiB")
	viewers, resumes, pause := iterations(20, 200), iterations(8, 50), time.Duration(iterations(2, 30))*time.Second
	random := random(t)
	var all sync.WaitGroup
	var made atomic.Int64
	for i := range viewers {
		random := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			var f follower
			for range resumes {
				if err := stopAndFollow(c, &f, time.Duration(random.Int64N(int64(pause)))); err != nil {
					t.Errorf("viewer %d: %v", i, err)
					return
				}
				made.Add(1)
			}
			if _, _, err := f.seen(); err != nil || f.resets > 0 || f.hellos != resumes {
				t.Errorf("viewer %d: %v, %d resets, %d hellos", i, err, f.resets, f.hellos)
			}
		})
	}
	all.Wait()
	c.finish()
	t.Attr("promise", "viewers that stop reading in a flood get every line once")
	t.Attr("figure", fmt.Sprintf("%d resumes after up to %v", made.Load(), pause))
}

// stopAndFollow connects, where f was before, reads nothing for a while, and then all that there was by then. A viewer
// that is closed because it accepted nothing may find its connection cut off.
func stopAndFollow(c *canary, f *follower, pause time.Duration) error {
	conn, err := c.dialStalling()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	s, err := open(conn, c.addr, f.query(), "wsrun.v1")
	if err != nil {
		return err
	}
	time.Sleep(pause)
	f.untilCaughtUp = true
	err = f.follow(s)
	tooSlow := err == closeError(4008) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	if err == errCaughtUp || tooSlow && pause > 9*time.Second { // the limit is 10 s, counted in ticks
		return nil
	}
	return err
}
