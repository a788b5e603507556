package filetail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// A run is a Follow in progress and what it has produced so far. mu guards its state, and
// cond is signaled at every change.
type run struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	cond *sync.Cond

	out    bytes.Buffer
	events []string // with their offset in out
	last   os.FileInfo
	ended  error
	done   chan struct{}
	cancel context.CancelFunc
}

// follow starts a Follow of a path, which ends with the test. If o.Path is "-", Follow gets
// no Path.
func follow(t *testing.T, path string, o FollowOptions) *run {
	t.Helper()
	r := &run{t: t, path: path, done: make(chan struct{})}
	r.cond = sync.NewCond(&r.mu)
	open := o.Open
	if open == nil {
		open = func() (*os.File, error) {
			info, err := os.Stat(path)
			if err == nil && !info.Mode().IsRegular() {
				err = ErrNotFound
			}
			if err != nil {
				return nil, err
			}
			return os.Open(path)
		}
	}
	o.Open = func() (*os.File, error) {
		f, err := open()
		var info os.FileInfo
		if err == nil {
			info, _ = f.Stat()
		}
		r.change(func() { r.last = info })
		return f, err
	}
	o.Event = func(e any) {
		r.change(func() {
			r.events = append(r.events, fmt.Sprintf("%d: %s%v", r.out.Len(), strings.TrimPrefix(fmt.Sprintf("%T", e), "filetail."), e))
		})
	}
	switch o.Path {
	case "":
		o.Path = path
	case "-":
		o.Path = ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		err := Follow(ctx, r, o)
		r.change(func() { r.ended = err })
	}()
	t.Cleanup(r.stop)
	return r
}

// Write takes what Follow copies.
func (r *run) Write(p []byte) (int, error) {
	r.change(func() { r.out.Write(p) })
	return len(p), nil
}

func (r *run) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	r.cond.Broadcast()
}

func (r *run) stop() {
	r.cancel()
	<-r.done
	if !errors.Is(r.ended, context.Canceled) {
		r.t.Errorf("Follow = %v, want context.Canceled", r.ended)
	}
}

// wait waits until ok, which is called with mu held, returns true.
func (r *run) wait(what string, ok func() bool) {
	r.t.Helper()
	timer := time.AfterFunc(patience, func() { r.change(func() {}) })
	defer timer.Stop()
	end := time.Now().Add(patience)
	r.mu.Lock()
	defer r.mu.Unlock()
	for !ok() {
		if time.Now().After(end) {
			r.t.Fatalf("waited for %s in vain: %d bytes, ending in %q; events %q", what, r.out.Len(),
				r.out.Bytes()[max(0, r.out.Len()-200):], r.events[max(0, len(r.events)-20):])
		}
		r.cond.Wait()
	}
}

// bytes waits until n bytes were copied.
func (r *run) bytes(n int) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d bytes", n), func() bool { return r.out.Len() >= n })
}

// seen waits until Follow has checked the name and found the file that is there now.
func (r *run) seen() {
	r.t.Helper()
	info, err := os.Stat(r.path)
	must(r.t, err)
	r.wait("a look", func() bool { return r.last != nil && os.SameFile(info, r.last) })
}

// event waits for n events whose text, without the offset, has this prefix.
func (r *run) event(prefix string, n int) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d of %s", n, prefix), func() bool { return r.count(prefix) >= n })
}

// count counts the events with this prefix. mu must be held.
func (r *run) count(prefix string) (n int) {
	for _, e := range r.events {
		if _, e, _ := strings.Cut(e, ": "); strings.HasPrefix(e, prefix) {
			n++
		}
	}
	return n
}

// is compares all output and, if any are given, the events.
func (r *run) is(want string, events ...string) {
	r.t.Helper()
	r.bytes(len(want))
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.out.String(); got != want {
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		r.t.Errorf("got %d bytes, want %d; from %d on: got %.80q, want %.80q", len(got), len(want), i, got[i:], want[i:])
	}
	if len(events) > 0 && !slices.Equal(r.events, events) {
		r.t.Errorf("events\n%q, want\n%q", r.events, events)
	}
}

// counts compares how many rotations and truncations were reported.
func (r *run) counts(rotated, truncated int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, b := r.count("Rotated"), r.count("Truncated"); a != rotated || b != truncated || r.count("Start") != 1 {
		r.t.Errorf("%d Rotated, %d Truncated, want %d, %d and one Start", a, b, rotated, truncated)
	}
}

func watcher(t *testing.T) *Watcher {
	t.Helper()
	w, err := NewWatcher(nil)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// rounds returns how many times to rotate or truncate a file.
func rounds() int {
	if testing.Short() {
		return 100
	}
	return 1000
}

// ways runs a test for each way to learn of a change: by events, by polling, and by both.
func ways(t *testing.T, do func(t *testing.T, o FollowOptions)) {
	for _, way := range []string{"events", "polling", "both"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			o := FollowOptions{Lines: -1, Poll: 2 * time.Millisecond, Linger: 10 * time.Millisecond}
			if way != "polling" {
				o.Watcher = watcher(t)
			}
			if way == "events" {
				o.Poll = -1
			}
			do(t, o)
		})
	}
}
