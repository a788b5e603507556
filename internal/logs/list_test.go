package logs

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/filetail"
)

// A forest stands in for a tree of files whose walks take as long as the test wants.
type forest struct {
	mu     sync.Mutex
	size   int64         // of its only file
	length time.Duration // of a walk
	hung   chan struct{} // if not nil, walks hang until it is closed, whatever their context

	walks, running, canceled atomic.Int64
}

func (f *forest) set(size int64, length time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size, f.length = size, length
}

func (f *forest) walk(ctx context.Context) ([]filetail.File, bool, error) {
	f.walks.Add(1)
	if f.running.Add(1) > 1 {
		panic("two walks at a time")
	}
	defer f.running.Add(-1)
	f.mu.Lock()
	size, length := f.size, f.length
	f.mu.Unlock()
	if f.hung != nil {
		<-f.hung
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		f.canceled.Add(1)
		return nil, false, ctx.Err()
	}
	return []filetail.File{{Path: "/a.log", Size: size}}, false, nil
}

// plant runs a test in a bubble of fake time, with a lister that it closes afterwards.
func plant(t *testing.T, test func(t *testing.T, f *forest, l *lister)) {
	synctest.Test(t, func(t *testing.T) {
		f := &forest{length: 100 * time.Millisecond}
		l := newLister(f.walk, nil)
		l.clock = busy(1)
		defer func() {
			l.end()
			l.close()
			if _, err := l.get(t.Context()); err != errStopping {
				t.Errorf("a list after the end: %v", err)
			}
		}()
		test(t, f, l)
	})
}

// busy returns a clock of walks that use a processor for one part in share of the time they take.
func busy(share int64) func() time.Duration {
	return func() time.Duration { return time.Duration(time.Now().UnixNano() / share) }
}

// TestWalksAreShared checks that everyone who asks within a second after a walk began gets the
// result of that walk, and later callers the same list if nothing has changed.
func TestWalksAreShared(t *testing.T) {
	plant(t, func(t *testing.T, f *forest, l *lister) {
		get := func(when string, walks int64) *List {
			t.Helper()
			list, err := l.get(t.Context())
			if err != nil || f.walks.Load() != walks {
				t.Fatalf("%s: %d walks, %v; want %d", when, f.walks.Load(), err, walks)
			}
			return list
		}
		var all sync.WaitGroup
		var first sync.Map
		for i := range 100 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 9 * time.Millisecond)
				list, _ := l.get(t.Context())
				first.Store(list, true)
			})
		}
		all.Wait()
		list := get("within a second", 1)
		first.Delete(list)
		for other := range first.Range {
			t.Errorf("%v was given out as well", other)
		}
		time.Sleep(time.Second)
		if get("later", 2) != list {
			t.Error("the same files make another list")
		}
		f.set(1, 3*time.Second)
		time.Sleep(time.Second)
		changed := get("after a change", 3)
		if changed == list || changed.Files[0].Size != 1 || list.Files[0].Size != 0 {
			t.Errorf("%v is changed to %v", list, changed)
		}
		get("at the end of a slow walk", 3)
		time.Sleep(3 * time.Second)
		get("as long again after a slow walk", 4)
	})
}

// TestEqualLists checks that each property of a file that the list shows counts.
func TestEqualLists(t *testing.T) {
	list := func(cut bool, files ...filetail.File) *List { return &List{files, cut} }
	now := time.Now()
	a := list(false, filetail.File{Path: "/a", Size: 1, ModTime: now})
	for _, other := range []*List{
		nil, list(false), list(true, a.Files...), list(false, filetail.File{Path: "/b", Size: 1, ModTime: now}),
		list(false, filetail.File{Path: "/a", Size: 2, ModTime: now}), list(false, filetail.File{Path: "/a", Size: 1, ModTime: now.Add(1)}),
	} {
		if a.equal(other) || other.equal(a) {
			t.Errorf("%v is equal to %v", a, other)
		}
	}
	if !a.equal(list(false, a.Files...)) {
		t.Error("the same files are not equal")
	}
}

// TestWaitersLeave checks that a walk is canceled once nobody waits for it any more, and not
// before, and that whoever asks while such a walk still hangs gets the result of the next one.
func TestWaitersLeave(t *testing.T) {
	plant(t, func(t *testing.T, f *forest, l *lister) {
		f.set(0, 10*time.Second)
		ask := func(patience time.Duration) chan error {
			done := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := l.get(ctx)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		short, long := ask(time.Second), ask(time.Hour)
		if err := <-short; err != context.DeadlineExceeded {
			t.Errorf("a caller that left: %v", err)
		}
		if err := <-long; err != nil || f.walks.Load() != 1 {
			t.Errorf("a caller that stayed: %v after %d walks", err, f.walks.Load())
		}

		time.Sleep(time.Minute)
		f.hung = make(chan struct{})
		<-ask(time.Second)
		for range 10 {
			<-ask(time.Second)
		}
		if n := f.walks.Load(); n != 2 {
			t.Errorf("%d walks of a file system that hangs, want 1", n-1)
		}
		late := ask(time.Hour)
		close(f.hung)
		if err := <-late; err != nil || f.walks.Load() != 3 || f.canceled.Load() != 1 {
			t.Errorf("afterwards: %v after %d walks, %d canceled", err, f.walks.Load(), f.canceled.Load())
		}
	})
}

// TestHungWalkEnds checks that the end releases everyone, even if the file system hangs.
func TestHungWalkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &forest{hung: make(chan struct{})}
		l := newLister(f.walk, nil)
		done := make(chan error)
		for range 10 {
			go func() {
				_, err := l.get(t.Context())
				done <- err
			}()
		}
		synctest.Wait()
		l.end()
		for range 10 {
			if err := <-done; err != errStopping {
				t.Errorf("at the end: %v", err)
			}
		}
		l.close()
		close(f.hung)
	})
}

// watchList follows the list, and returns a function that returns the lines since its last call.
func watchList(t *testing.T, l *lister) (leave func(), lines func() string) {
	t.Helper()
	h, leave, err := l.follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cursor, _ := h.Stream.Open(-1)
	return leave, func() (all string) {
		for {
			item, wait, err := cursor.Poll()
			if wait != nil || err != nil {
				return all
			}
			all += string(item.Data)
		}
	}
}

// TestChanges checks that each change is notified once, and nothing else is, and that the tree is
// walked only while somebody follows.
func TestChanges(t *testing.T) {
	plant(t, func(t *testing.T, f *forest, l *lister) {
		l.get(t.Context())
		time.Sleep(time.Hour)
		if n := f.walks.Load(); n != 1 {
			t.Errorf("%d walks before anyone followed, want 1", n)
		}
		l.get(t.Context()) // recent enough for the first follower
		const line = `{"files":1,"cut":false}` + "\n"
		leave, lines := watchList(t, l)
		leave2, lines2 := watchList(t, l)
		if one, two := lines(), lines2(); one != line || two != line {
			t.Errorf("the first lines are %q and %q", one, two)
		}
		time.Sleep(time.Hour)
		for i := range 3 {
			if got := lines(); got != "" {
				t.Errorf("%q though nothing has changed", got)
			}
			f.set(int64(i+1), 100*time.Millisecond)
			time.Sleep(5 * time.Second)
			if got := lines(); got != line {
				t.Errorf("%q after a change", got)
			}
		}
		lines2()
		leave()
		f.set(100, 100*time.Millisecond)
		l.get(t.Context()) // for a request
		time.Sleep(5 * time.Second)
		if got := lines2(); got != line {
			t.Errorf("%q after a change that a request's walk found, or the next", got)
		}
		leave2()
		n := f.walks.Load()
		f.set(101, 0)
		time.Sleep(time.Hour)
		if f.walks.Load() != n || lines2() != "" {
			t.Errorf("%d walks after the last follower has left", f.walks.Load()-n)
		}
		leave, lines = watchList(t, l)
		if got := lines(); got != line {
			t.Errorf("%q for a follower that comes later", got)
		}
		leave()
	})
}

// TestPause checks that looking for changes uses a processor for at most 4 % of the time, that walks
// which only take long are more frequent, and that a request's walk replaces one of the watcher's.
func TestPause(t *testing.T) {
	for _, tt := range []struct {
		length time.Duration
		walks  int64 // in an hour
		often  bool  // a client waits 2 s after each list before it asks for the next
		share  int64 // of the time that a walk takes, it uses a processor for one part in share
	}{
		{0, 3600, false, 1},
		{20 * time.Millisecond, 3529, false, 1},
		{400 * time.Millisecond, 346, false, 1},
		{400 * time.Millisecond, 1800, false, 10},
		{10 * time.Second, 28, false, 1},
		{10 * time.Second, 72, false, 100},
		{350 * time.Millisecond, 1532, true, 1},
	} {
		t.Run(fmt.Sprint(tt.length, "/", tt.share), func(t *testing.T) {
			plant(t, func(t *testing.T, f *forest, l *lister) {
				f.set(0, tt.length)
				l.clock = busy(tt.share)
				leave, _ := watchList(t, l)
				defer leave()
				f.walks.Store(0)
				for end := time.Now().Add(time.Hour); time.Now().Before(end); {
					time.Sleep(2 * time.Second)
					if tt.often {
						l.get(t.Context())
					}
				}
				if got := f.walks.Load(); got < tt.walks-2 || got > tt.walks+2 {
					t.Errorf("%d walks in an hour, want %d", got, tt.walks)
				}
			})
		})
	}
}
