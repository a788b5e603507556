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

// backTime is by when all viewers are back after a restart.
const backTime = 30 * time.Second

// retryAfter is how long the page waits before the given try, from 0, as
// static/socket.js has it.
func retryAfter(attempt int, random *rand.Rand) time.Duration {
	const least, most = 500 * time.Millisecond, 30 * time.Second
	bound := most
	if attempt < 6 {
		bound = min(most, least<<(attempt+1))
	}
	return least + time.Duration(random.Float64()*float64(bound-least))
}

// A hello is what a viewer was told when it came. That of testdata/viewers.mjs may
// be how long it waits before it comes again.
type hello struct {
	Event   string
	Viewer  int
	Epoch   string
	RetryMs float64
	at      time.Time
}

// persist views what is at addr, and comes again as the page does, until ctx ends.
func persist(ctx context.Context, addr string, viewer int, random *rand.Rand, told chan<- hello) error {
	var f follower
	for attempt := 0; ; attempt++ {
		if conn, err := dialFor(addr, 2*backTime); err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			if s, err := open(conn, addr, f.query(), "wsrun.v1"); err == nil {
				was := f.hellos
				f.greeted = func() { told <- hello{Viewer: viewer, Epoch: f.at.Epoch, at: time.Now()} }
				f.follow(s)
				if f.hellos > was {
					attempt = 0
				}
			}
			stop()
			conn.Close()
		}
		select {
		case <-ctx.Done():
			_, _, err := f.seen()
			return err
		case <-time.After(retryAfter(attempt, random)):
		}
	}
}

// When wsrun is killed and another starts in its place, all viewers are back within
// 30 s, know that it is another, and do not come all at once.
func TestRestartStorm(t *testing.T) {
	n := times(500, 5000)
	random := random(t)
	told := make(chan hello, 2*n)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	storm(t, n, told, func(addr string) {
		for i := range n {
			random := rand.New(rand.NewPCG(random.Uint64(), 0))
			all.Go(func() {
				if err := persist(ctx, addr, i, random, told); err != nil {
					t.Errorf("a viewer that came again: %v", err)
				}
			})
		}
	})
}

// The page's own module does the same.
func TestRestartStormOfPages(t *testing.T) {
	t.Parallel()
	n := times(50, 500)
	told := make(chan hello, 2*n)
	var waits []float64
	storm(t, n, told, func(addr string) {
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
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var h hello
				if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
					t.Error(err)
				}
				if h.at = time.Now(); h.Event == "hello" {
					told <- h
				} else if h.RetryMs >= 0 { // it comes again
					waits = append(waits, h.RetryMs)
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

// storm has start start n viewers of a wsrun, which tell their hellos, kills it, and
// starts another.
func storm(t *testing.T, n int, told <-chan hello, start func(addr string)) {
	first := begin(t, canaryOf(t, song{20, 50}))
	start(first.addr)
	hellos := func(within time.Duration) (epoch string, all []time.Time) {
		seen := map[int]bool{}
		late := time.After(within)
		for len(all) < n {
			select {
			case h := <-told:
				if epoch == "" {
					epoch = h.Epoch
				}
				if seen[h.Viewer] || h.Epoch != epoch {
					t.Fatalf("viewer %d was told of the run %s, another of %s", h.Viewer, h.Epoch, epoch)
				}
				seen[h.Viewer] = true
				all = append(all, h.at)
			case <-late:
				t.Fatalf("%d of %d viewers after %v", len(all), n, within)
			}
		}
		return epoch, all
	}
	old, _ := hellos(backTime)
	first.Process.Kill()
	<-first.Done()
	// Until the first tries have met nobody.
	await(t, latest, "a while has passed", afterward(time.Second+time.Duration(random(t).IntN(1000))*time.Millisecond))
	c := newCanary(t, song{20, 50}, "-a", first.addr)
	restarted := time.Now()
	epoch, at := hellos(backTime)
	if epoch == old {
		t.Error("the second run has the first's epoch")
	}
	slices.SortFunc(at, time.Time.Compare)
	// The most within a tenth of a second.
	most := 0
	for i, k := 0, 0; k < n; k++ {
		for at[k].Sub(at[i]) > 100*time.Millisecond {
			i++
		}
		most = max(most, k-i+1)
	}
	t.Attr("promise", "after a restart all viewers are back, not all at once, and know that it is another run")
	t.Attr("figure", fmt.Sprintf("%d viewers after %v, at most %d of them within 0.1 s", n, at[n-1].Sub(restarted).Round(time.Millisecond), most))
	if most > n/3 {
		t.Errorf("%d of %d viewers came within 0.1 s", most, n)
	}
	c.finish()
}
