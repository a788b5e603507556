//go:build linux

package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/test/wait"
)

// keepGrowing writes a file of 8 MiB, and then a line with the time to it on every beat, until stop is
// called.
func keepGrowing(t *testing.T, name string) (stop func()) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, strings.Repeat(strings.Repeat("a line with a 7 line ", 11)+"\n", 35_000))
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer f.Close()
		for tick := time.NewTicker(costBeat); ; {
			select {
			case <-tick.C:
				fmt.Fprintln(f, costStamp())
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// A costCanary is a viewer that measures how late the lines are that say when they were written.
type costCanary struct {
	worst, written atomic.Int64 // nanoseconds; of the last line
}

var costStamps = regexp.MustCompile(`ts=(\d+)\.`)

// watchCost starts a canary, which ends with the test.
func watchCost(t *testing.T, address string, by *http.Client) *costCanary {
	t.Helper()
	v, err := client.Dial(t.Context(), address, client.Options{HTTPClient: by})
	if err != nil {
		t.Fatal(err)
	}
	c, done := &costCanary{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := v.Next(context.Background())
			if err != nil {
				return
			}
			now := time.Now().UnixNano()
			for _, stamp := range costStamps.FindAllSubmatch(m.Payload, -1) {
				at, _ := strconv.ParseInt(string(stamp[1]), 10, 64)
				c.worst.Store(max(c.worst.Load(), now-at))
				c.written.Store(at)
			}
		}
	}()
	t.Cleanup(func() { v.Close(); <-done })
	return c
}

// upToDate waits for a line that is written from now on, and returns the longest delay since the last
// call.
func (c *costCanary) upToDate(t *testing.T) time.Duration {
	t.Helper()
	now := time.Now().UnixNano()
	wait.For(t, 3*wait.Patience, "the canary sees no output", func() bool { return c.written.Load() > now })
	return time.Duration(c.worst.Swap(0))
}
