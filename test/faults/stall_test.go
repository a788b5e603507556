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
)

// A viewer that takes nothing for 10 s is closed, and told so if it wakes within
// 3 s more; wsrun looks every second.
const (
	wakeTime = 12 * time.Second // surely in between
	goneTime = 15 * time.Second
)

// sleepy dials with a receive buffer that is soon full.
func (r *running) sleepy() (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		})
	}}
	return d.DialContext(context.Background(), "tcp", r.addr)
}

// A thousand viewers that stop reading cost little memory and are gone after 15 s.
// One that wakes in time learns why; one that wakes earlier goes on, and knows what
// it has missed.
func TestStalledReaders(t *testing.T) {
	// 500 KB/s, and a ring of 4 s.
	// Collections come often, so that what they leave is known well; the command
	// must not trace its own.
	cmd := canaryOf(t, song{500, 1000}, "-n", "2000", "env", "-u", "GODEBUG", "-u", "GOGC")
	cmd.Env = append([]string{"GODEBUG=gctrace=1", "GOGC=10"}, cmd.Env...)
	c := listenTo(begin(t, cmd))
	watching := len(c.viewers) - 2
	v1 := c.viewers["wsrun.v1"]
	await(t, 2*latest, "the ring, and what is kept behind it, is full", func() bool { last, _, _ := v1.seen(); return last > 3500 })
	descriptors, resident := c.descriptors(), c.memory()
	heap := mostHeap(c.Said())

	const n, waking = 1000, 100
	var all sync.WaitGroup
	ends := make(chan error, waking)
	var last time.Time
	for i := range n {
		conn, err := c.sleepy()
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
	early, err := c.sleepy()
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(early, c.addr, "", "wsrun.v1")
	if err != nil {
		t.Fatal(err)
	}
	all.Go(func() {
		defer early.Close()
		<-time.After(8 * time.Second)
		var f follower
		f.follow(s)
		if _, _, err := f.seen(); err != nil || f.resets == 0 || f.exit == nil || f.exit.Code != canaryStatus {
			t.Errorf("a viewer that slept 8 s: %v, %d resets, %d lines, exit %+v", err, f.resets, f.lines, f.exit)
		}
	})

	// What is allocated during a collection counts as in use: look when all have come.
	await(t, latest, "a while has passed", afterward(3*time.Second))
	told := len(c.Said())
	most := int64(0)
	await(t, time.Until(last.Add(goneTime)), "wsrun has closed those that stalled", func() bool {
		most = max(most, c.memory())
		return c.descriptors() <= descriptors+4 && c.watching() == watching+1 // with the early one
	})
	gone := time.Since(last)
	// Those that a busy machine lets wake too slowly find the connection closed.
	woken := 0
	for range waking {
		if err := <-ends; err == closed(4008) {
			woken++
		} else if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a viewer that woke after %v: %v", wakeTime, err)
		}
	}
	if woken < waking/2 {
		t.Errorf("of %d viewers that woke after %v %d were told why", waking, wakeTime, woken)
	}
	grown := mostHeap(c.Said()[told:]) - heap
	t.Logf("RssAnon grew by %d MiB", (most-resident)>>20)
	t.Attr("promise", "viewers that stop reading cost little, and are told why they are closed if they wake")
	t.Attr("figure", fmt.Sprintf("%d viewers: the heap grew by %d MiB, all closed after %v; %d of %d that woke got 4008", n, grown, gone.Round(100*time.Millisecond), woken, waking))
	if grown > 20 || grown < 1 {
		t.Errorf("the heap grew by %d MiB", grown)
	}
	c.finish()
	all.Wait()
}

var collection = regexp.MustCompile(`->(\d+) MB, `)

// mostHeap returns the most MiB that were in use after a collection, as gctrace in
// said tells.
func mostHeap(said string) (most int) {
	for _, m := range collection.FindAllStringSubmatch(said, -1) {
		live, _ := strconv.Atoi(m[1])
		most = max(most, live)
	}
	return most
}
