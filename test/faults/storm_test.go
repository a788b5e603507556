//go:build linux

package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// reconnectTime is how long viewers may take to reconnect after a restart.
const reconnectTime = 30 * time.Second

// retryAfter returns how long the page waits before an attempt to reconnect, the first of which
// is 0. See static/driver/socket.js.
func retryAfter(attempt int, random *rand.Rand) time.Duration {
	const least, most = 500 * time.Millisecond, 30 * time.Second
	bound := most
	if attempt < 6 {
		bound = min(most, least<<(attempt+1))
	}
	return least + time.Duration(random.Float64()*float64(bound-least))
}

// A hello reports that a viewer got a hello event. One of testdata/viewers.mjs may instead
// report how long the viewer waits before it reconnects.
type hello struct {
	Event   string
	Viewer  int
	Epoch   string
	RetryMs float64
	due     time.Time // when the viewer was to reconnect
}

// followWithRetries views the stream at addr until ctx is done, and reconnects as the page does.
func followWithRetries(ctx context.Context, addr string, viewer int, random *rand.Rand, hellos chan<- hello) error {
	var f follower
	var due time.Time
	for attempt := 0; ; attempt++ {
		if conn, err := dialFor(addr, 2*reconnectTime); err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			if s, err := open(conn, addr, f.query(), "wsrun.v1"); err == nil {
				was := f.hellos
				f.onHello = func() { hellos <- hello{Viewer: viewer, Epoch: f.at.Epoch, due: due} }
				f.follow(s)
				if f.hellos > was {
					attempt = 0
				}
			}
			stop()
			conn.Close()
		}
		wait := retryAfter(attempt, random)
		due = time.Now().Add(wait)
		select {
		case <-ctx.Done():
			_, _, err := f.seen()
			return err
		case <-time.After(wait):
		}
	}
}

// TestRestartStorm checks that when wsrun is killed and another takes its place, all viewers
// reconnect within 30 s, notice that it is another run, and don't all reconnect at once.
func TestRestartStorm(t *testing.T) {
	n := iterations(500, 5000)
	random := random(t)
	hellos := make(chan hello, 2*n)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	storm(t, n, hellos, func(addr string) {
		for i := range n {
			random := rand.New(rand.NewPCG(random.Uint64(), 0))
			all.Go(func() {
				if err := followWithRetries(ctx, addr, i, random, hellos); err != nil {
					t.Errorf("a viewer that came again: %v", err)
				}
			})
		}
	})
}

// TestRestartStormOfPages checks the same for the page's own module.
func TestRestartStormOfPages(t *testing.T) {
	t.Parallel()
	n := iterations(50, 500)
	hellos := make(chan hello, 2*n)
	var waits []float64
	storm(t, n, hellos, func(addr string) {
		node := exec.Command("node", "testdata/viewers.mjs", "ws://"+addr+"/", fmt.Sprint(n))
		out, err := node.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			due := map[int]time.Time{} // by viewer
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var h hello
				if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
					t.Error(err)
				}
				if h.Event == "hello" {
					h.due = due[h.Viewer]
					hellos <- h
				} else if h.RetryMs >= 0 { // the viewer will reconnect
					waits = append(waits, h.RetryMs)
					due[h.Viewer] = time.Now().Add(time.Duration(h.RetryMs * float64(time.Millisecond)))
				}
			}
		}()
		t.Cleanup(func() {
			node.Process.Kill()
			<-ended
			node.Wait()
			slices.Sort(waits)
			if len(waits) < n || waits[0] < 500 || waits[0] == waits[len(waits)-1] {
				t.Errorf("the pages waited %v ms", waits)
			}
		})
	})
}

// storm starts wsrun, has start start n viewers, which send their hellos, kills wsrun,
// and starts another on the same port.
func storm(t *testing.T, n int, hellos <-chan hello, start func(addr string)) {
	first := begin(t, canaryOf(t, load{20, 50}))
	start(first.addr)
	awaitAll := func(within time.Duration) (epoch string, all []hello) {
		seen := map[int]bool{}
		timeout := time.After(within)
		for len(all) < n {
			select {
			case h := <-hellos:
				if epoch == "" {
					epoch = h.Epoch
				}
				if seen[h.Viewer] || h.Epoch != epoch {
					t.Fatalf("viewer %d got the epoch %s, another viewer %s", h.Viewer, h.Epoch, epoch)
				}
				seen[h.Viewer] = true
				all = append(all, h)
			case <-timeout:
				t.Fatalf("%d of %d viewers after %v", len(all), n, within)
			}
		}
		return epoch, all
	}
	old, _ := awaitAll(reconnectTime)
	first.Process.Kill()
	<-first.Done()
	// Wait until the first attempts to reconnect have failed.
	await(t, maxDelay, "a while has passed", elapsed(time.Second+time.Duration(random(t).IntN(1000))*time.Millisecond))
	c := newCanary(t, load{20, 50}, "-a", first.addr)
	restarted := time.Now()
	epoch, again := awaitAll(reconnectTime)
	back := time.Since(restarted)
	if epoch == old {
		t.Error("the second run has the first's epoch")
	}
	slices.SortFunc(again, func(a, b hello) int { return a.due.Compare(b.due) })
	// Find the largest number of viewers that were to come within a tenth of a second; a busy machine may let more come.
	most := 0
	for i, k := 0, 0; k < n; k++ {
		for again[k].due.Sub(again[i].due) > 100*time.Millisecond {
			i++
		}
		most = max(most, k-i+1)
	}
	t.Attr("promise", "after a restart all viewers are back, not all at once, and know that it is another run")
	t.Attr("figure", fmt.Sprintf("%d viewers after %v, at most %d of them within 0.1 s", n, back.Round(time.Millisecond), most))
	if most > n/3 {
		t.Errorf("%d of %d viewers were to come within 0.1 s", most, n)
	}
	c.finish()
}
