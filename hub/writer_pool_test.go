package hub

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// manualWriter gives the pool a writer whose loop doesn't run, so that the test can make its passes
// and serve its queue step by step. The loop starts at the end of the test, so that the viewers can
// leave.
func (f *fixture) manualWriter() *writer {
	p := f.hub.pool
	w := &writer{pool: p, clock: f.sessions.clock, wakeup: make(chan struct{}, 1)}
	p.writers = append(p.writers, w)
	f.t.Cleanup(func() { p.running.Go(w.run) })
	return w
}

// awaitQueued waits for a viewer in the writer's queue, which must have been empty, and returns it.
func (w *writer) awaitQueued(t *testing.T) *viewer {
	t.Helper()
	wait.For(t, wait.Patience, "no viewer entered the writer pool", func() bool { return len(w.waiting()) > 0 })
	return w.waiting()[0]
}

// added returns how often a viewer has entered the pool, and the current number of writers.
func (f *fixture) added() (times, writers int) {
	p := f.hub.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.added, len(p.writers)
}

// awaitAdded waits until viewers have entered the pool want times.
func (f *fixture) awaitAdded(want int) {
	f.t.Helper()
	wait.For(f.t, wait.Patience, "not all viewers entered the writer pool", func() bool {
		times, _ := f.added()
		return times >= want
	})
}

// numbered returns about size bytes of lines, no two of which are equal.
func numbered(size int) (all []byte) {
	for rest := strings.Repeat("x", 990); len(all) < size; {
		all = fmt.Appendf(all, "%d %s\n", len(all), rest)
	}
	return all
}

// sentBytes returns how many bytes the open sessions have been sent.
func (f *fixture) sentBytes() (n int64) {
	f.sessions.mu.Lock()
	defer f.sessions.mu.Unlock()
	for session := range f.sessions.open {
		n += session.sent.Load()
	}
	return n
}

// gets reads as much from a viewer as want has, and fails the test if it isn't want.
func gets(t *testing.T, c *client.Viewer, want string) {
	t.Helper()
	if r, err := watch.Viewer(c, len(want)); err != nil || string(r.Data) != want {
		t.Fatalf("got %q, %v; want %q", r.Data, err, want)
	}
}

// Viewers of every speed, some of which read nothing for a while, leave the writer pool and enter
// it again, and get what was written. While they all have all output, each costs a single
// goroutine.
func TestWriterPoolServesEverySpeed(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20, Bytes: 64 << 20})
	const viewers = 30
	before := runtime.NumGoroutine()
	var conns []*client.Viewer
	for range viewers {
		conns = append(conns, b.dialNarrow())
	}
	wait.For(t, wait.Patience, "the viewers cost more than a goroutine on each side", func() bool {
		return runtime.NumGoroutine() <= before+2*viewers+runtime.GOMAXPROCS(0)+2
	})
	type result struct {
		data []byte
		code int
	}
	results := make(chan result)
	halfway := make(chan struct{})
	for i, c := range conns {
		if i%2 > 0 {
			go func() { // this viewer's pings are answered between frames
				for c.Ping(context.Background()) == nil {
					time.Sleep(time.Millisecond)
				}
			}()
		}
		go func() {
			var data []byte
			for reads := 0; ; reads++ {
				m, err := c.Next(context.Background())
				if err != nil {
					results <- result{data, client.CloseCode(err)}
					return
				}
				if m.Event == nil {
					data = append(data, m.Payload...)
				}
				if i%3 > 0 && reads == 7 {
					<-halfway // more than the sockets hold
				}
				if i%3 > 1 && reads%20 == 19 {
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			}
		}()
	}
	r := rand.New(rand.NewPCG(7, 8))
	var all bytes.Buffer
	for all.Len() < 4<<20 {
		p := make([]byte, r.IntN(60_000))
		for i := range p {
			p[i] = byte('a' + r.IntN(26))
		}
		all.Write(p)
		b.Write(p)
		if all.Len() > 2<<20 && all.Len()-len(p) <= 2<<20 {
			close(halfway)
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	b.end(0)
	for range conns {
		if got := <-results; !bytes.Equal(got.data, all.Bytes()) || got.code != protocol.CloseEnded {
			t.Errorf("got %d of %d bytes, or others, and %v", len(got.data), all.Len(), got.code)
		}
	}
	if added, _ := b.added(); added < viewers+10 {
		t.Errorf("viewers entered the pool %d times, want some of the %d to leave and enter it again", added, viewers)
	}
}

// While a viewer reads nothing, the others get everything that is written. The viewer gets it
// later.
func TestStuckViewerDoesNotDelayOthers(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	const others = 3
	conns := []*client.Viewer{b.dialNarrow()}
	for range others {
		conns = append(conns, b.dial("", protocol.Subprotocol))
	}
	b.awaitAdded(len(conns))
	all := numbered(3 << 20) // more than the sockets hold
	gets := func(who string, c *client.Viewer) {
		if r, err := watch.Viewer(c, len(all)); err != nil || !bytes.Equal(r.Data, all) || len(r.Events) > 0 {
			t.Errorf("%s: %d of %d bytes, or others, %q, %v", who, len(r.Data), len(all), r.Events, err)
		}
	}
	done := make(chan struct{})
	for _, c := range conns[1:] {
		go func() {
			gets("another", c)
			done <- struct{}{}
		}()
	}
	for p := range slices.Chunk(all, 40_000) {
		b.Write(p)
	}
	for range others {
		<-done
	}
	gets("the stuck one", conns[0])
}

// A viewer that fell out of the ring is told once, whatever happens later, and enters the writer
// pool again.
func TestGapIsSentOnce(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20, Bytes: 4 << 20})
	c := b.dialNarrow()
	b.hello(c)
	b.awaitAdded(1)
	var all []byte
	write := func(size int) {
		p := numbered(size)
		all = append(all, p...)
		b.Write(p)
		b.Flush()
	}
	at, resets := int64(0), 0
	read := func() {
		for at < int64(len(all)) {
			m, err := c.Next(t.Context())
			if err != nil {
				t.Fatalf("at %d of %d, after %d gaps: %v", at, len(all), resets, err)
			}
			if m.Event != nil {
				if e, ok := m.Event.(protocol.ResetEvent); ok {
					if e.SkippedBytes != e.Offset-at {
						t.Fatalf("the viewer is told that %d bytes from %d to %d are missing", e.SkippedBytes, at, e.Offset)
					}
					at = e.Offset
					if resets++; resets > 1 {
						t.Fatal("the viewer is told of another gap")
					}
				}
				continue
			}
			end := at + int64(len(m.Payload))
			if end > int64(len(all)) || !bytes.Equal(m.Payload, all[at:end]) {
				t.Fatalf("other bytes at %d, after %d gaps", at, resets)
			}
			at = end
		}
	}
	write(12 << 20) // more than the sockets, the ring and its grace hold
	read()
	if resets == 0 {
		t.Fatal("the viewer is told of no gap")
	}
	b.awaitAdded(3) // the viewer has left the pool because it was stuck, then because of the gap
	times, _ := b.added()
	write(3 << 20) // the viewer gets stuck again, without a gap
	read()
	b.awaitAdded(times + 1)
	write(1 << 10)
	read()
}

// When all viewers have left, their writer retires. The next viewer gets a new one.
func TestWriterPoolRetiresIdleWriter(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	const viewers = 3
	for round := 1; ; round++ {
		var conns []*client.Viewer
		for range viewers {
			conns = append(conns, b.dial("?n=0", protocol.Subprotocol))
		}
		b.awaitAdded(round * viewers)
		line := fmt.Sprintf("round %d\n", round)
		b.Write([]byte(line))
		for _, c := range conns {
			tooLong := time.AfterFunc(wait.Patience, c.Close)
			if r, err := watch.Viewer(c, len(line)); err != nil || string(r.Data) != line {
				t.Fatalf("in round %d a viewer got %q, %v", round, r.Data, err)
			}
			tooLong.Stop()
			c.Close()
		}
		if round == 2 {
			return
		}
		b.awaitSlots(0)
		b.Write([]byte(line)) // the writer notices only now that the viewers have left
		wait.For(t, wait.Patience, "the writer does not retire", func() bool {
			_, writers := b.added()
			return writers == 0
		})
		b.hub.pool.running.Wait()
	}
}

func TestWritersFor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct{ processors, viewers, want int }{
		{1, 1, 1}, {1, 10_000, 1},
		{2, 1, 1}, {2, 249, 1}, {2, 250, 2}, {2, 10_000, 2},
		{8, 1, 1}, {8, 1000, 5}, {8, 10_000, 8},
	} {
		runtime.GOMAXPROCS(c.processors)
		if got := writersFor(c.viewers); got != c.want {
			t.Errorf("%d viewers, %d processors: %d writers, want %d", c.viewers, c.processors, got, c.want)
		}
	}
}
