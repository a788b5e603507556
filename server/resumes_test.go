package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/test/watch"
)

// TestResumes disconnects viewers at 10,000 random offsets during a flood of output. They
// reconnect and resume.
func TestResumes(t *testing.T) {
	resumes, workers := 10_000, 8
	if testing.Short() {
		resumes = 1000
	}
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 4000})}, Options{})
	at := func(i int64) byte { // lines of 41 bytes
		if i%41 == 40 {
			return '\n'
		}
		return 'a' + byte((i*11+i/41)%26)
	}
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		p := make([]byte, 4100)
		for done := int64(0); ; done += int64(len(p)) {
			for i := range p {
				p[i] = at(done + int64(i))
			}
			b.Write(p)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond): // a busy viewer has 200 ms to come back in time
			}
		}
	})
	var viewers sync.WaitGroup
	var mu sync.Mutex
	count := map[string]int{}
	for w := range workers {
		viewers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			offset := int64(-1)
			for range resumes / workers {
				var from client.Position
				asked := offset
				if offset >= 0 {
					if rng.IntN(20) == 0 {
						asked = max(0, offset-400_000) // out of the ring
					}
					from = client.Position{Epoch: b.Epoch(), Offset: asked}
				}
				v, err := client.Dial(context.Background(), "ws://"+b.addr+"/", client.Options{Position: from})
				if err != nil {
					t.Error(err)
					return
				}
				r, err := watch.Viewer(v, 1+rng.IntN(3000))
				v.Close()
				h := r.Hello
				if err != nil || h.Line != h.Offset/41+1 || len(r.Events) > 0 {
					t.Errorf("%+v, %q, %v", h, r.Events, err)
					return
				}
				if h.Resumed != (h.Offset == asked) || asked >= 0 && !h.Resumed && h.Offset < asked {
					t.Errorf("asked for %d, got %+v", asked, h)
					return
				}
				for i, x := range r.Data {
					if x != at(h.Offset+int64(i)) {
						t.Errorf("wrong byte at %d", h.Offset+int64(i))
						return
					}
				}
				offset = h.Offset + int64(len(r.Data))
				mu.Lock()
				count[fmt.Sprint(h.Resumed)]++
				mu.Unlock()
			}
		})
	}
	viewers.Wait()
	close(stop)
	flood.Wait()
	t.Attr("promise", "a viewer that comes back goes on with the very next byte, or is told what it has missed")
	t.Attr("figure", fmt.Sprintf("%d resumed, %d begun anew", count["true"], count["false"]))
	if count["true"] < resumes*8/10 || count["false"] < 10 {
		t.Errorf("resumed or not: %v", count)
	}
}
