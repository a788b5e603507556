//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsrun/internal/protocol"
)

// A viewer that reads nothing for 10 s is closed, and learns why if it wakes within another 3 s.
// wsrun checks every second.
const (
	wakeTime = 12 * time.Second // between the two, with a margin for a busy machine
	goneTime = 15 * time.Second // after both
)

// dialStalling dials with a receive buffer that is soon full.
func (r *instance) dialStalling() (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		})
	}}
	return d.DialContext(context.Background(), "tcp", r.addr)
}

// TestStalledReaders checks that 1,000 viewers that stop reading cost little memory and are gone
// after 15 s. A viewer that wakes in time learns why it was closed; one that wakes earlier
// misses nothing, although the ring has lost what it needs.
func TestStalledReaders(t *testing.T) {
	// The command writes 500 KB/s, of which the ring holds 4 s. Frequent garbage collections
	// show well how much memory is in use. The command must not trace its own collections.
	cmd := canaryOf(t, load{500, 1000}, "-n", "2000", "env", "-u", "GODEBUG", "-u", "GOGC")
	cmd.Env = append([]string{"GODEBUG=gctrace=1", "GOGC=10"}, cmd.Env...)
	c := watchCanary(begin(t, cmd))
	watching := len(c.viewers) - 2
	v1 := c.viewers["wsrun.v1"]
	await(t, 2*maxDelay, "the ring, and the output kept behind it, is full", func() bool {
		last, _, _ := v1.seen()
		return last > 3500
	})
	descriptors, resident := c.descriptors(), c.memory()
	heap := mostHeap(c.Said())

	const n, waking = 1000, 100
	var all sync.WaitGroup
	ends := make(chan error, waking)
	var last time.Time
	for i := range n {
		conn, err := c.dialStalling()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		s, err := open(conn, c.addr, "", "wsrun.v1")
		if err != nil {
			t.Fatal(err)
		}
		last = time.Now()
		if i%(n/waking) == 0 {
			wake := time.After(wakeTime)
			all.Go(func() {
				<-wake
				var f follower
				ends <- f.follow(s)
			})
		}
	}
	wakeEarly(t, c, &all)

	// Memory that is allocated during a collection counts as in use, so measure only when all
	// viewers have connected.
	await(t, maxDelay, "a while has passed", elapsed(3*time.Second))
	before := len(c.Said())
	most := int64(0)
	await(t, time.Until(last.Add(goneTime)), "wsrun has closed the stalled viewers", func() bool {
		most = max(most, c.memory())
		return c.descriptors() <= descriptors+4 && c.watching() == watching+1 // the one that wakes earlier
	})
	gone := time.Since(last)
	woken := countWoken(t, ends, waking)
	if woken < waking/2 {
		t.Errorf("of %d viewers that woke after %v, %d learned why", waking, wakeTime, woken)
	}
	grown := mostHeap(c.Said()[before:]) - heap
	t.Logf("RssAnon grew by %d MiB", (most-resident)>>20)
	t.Attr("promise", "viewers that stop reading cost little, and are told why they are closed if they wake")
	t.Attr("figure", fmt.Sprintf("%d viewers: the heap grew by %d MiB, all closed after %v; %d of %d that woke got 4008", n,
		grown, gone.Round(100*time.Millisecond), woken, waking))
	if grown > 20 || grown < 1 {
		t.Errorf("the heap grew by %d MiB", grown)
	}
	c.finish()
	all.Wait()
}

// wakeEarly starts a viewer that stops reading for 8 s, which isn't long enough to be closed, and then
// follows to the end. all waits for it.
func wakeEarly(t *testing.T, c *canary, all *sync.WaitGroup) {
	conn, err := c.dialStalling()
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(conn, c.addr, "", "wsrun.v1")
	if err != nil {
		t.Fatal(err)
	}
	all.Go(func() {
		defer conn.Close()
		<-time.After(8 * time.Second)
		var f follower
		f.follow(s)
		if _, _, err := f.seen(); err != nil || f.resets > 0 || f.exit == nil || f.exit.Code != canaryStatus {
			t.Errorf("a viewer that slept 8 s: %v, %d resets, %d lines, exit %+v", err, f.resets, f.lines, f.exit)
		}
	})
}

// countWoken receives how n viewers ended that woke after wakeTime, and returns how many of them learned
// why they were closed. On a busy machine, a viewer may wake too late and find the connection closed.
func countWoken(t *testing.T, ends <-chan error, n int) (woken int) {
	for range n {
		if err := <-ends; err == closeError(protocol.CloseTooSlow) {
			woken++
		} else if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a viewer that woke after %v: %v", wakeTime, err)
		}
	}
	return woken
}

// collection matches the heap in use after a collection, in a line of gctrace (package runtime).
var collection = regexp.MustCompile(`->(\d+) MB, `)

// mostHeap returns the most memory, in MiB, that was in use after a collection, according to the
// lines of gctrace in said.
func mostHeap(said string) (most int) {
	for _, m := range collection.FindAllStringSubmatch(said, -1) {
		live, _ := strconv.Atoi(m[1])
		most = max(most, live)
	}
	return most
}
