package filetail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// A run is a Follow under way and what it has given so far. All is guarded by mu;
// cond tells of every change.
type run struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	cond *sync.Cond

	out    bytes.Buffer
	events []string // with their place in out
	last   os.FileInfo
	ended  error
	done   chan struct{}
	cancel context.CancelFunc
}

// follow starts a Follow of a path, which ends with the test. o.Path "-" leaves it
// empty.
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

// wait waits until a condition holds.
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

// bytes waits until n bytes are out.
func (r *run) bytes(n int) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d bytes", n), func() bool { return r.out.Len() >= n })
}

// seen waits until a look at the name has found what is there now.
func (r *run) seen() {
	r.t.Helper()
	info, err := os.Stat(r.path)
	must(r.t, err)
	r.wait("a look", func() bool { return r.last != nil && os.SameFile(info, r.last) })
}

// event waits for an event whose text, without its place, begins so.
func (r *run) event(prefix string, n int) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d of %s", n, prefix), func() bool { return r.count(prefix) >= n })
}

// count must be called with mu held.
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

// counts compares how many files and truncations were told of.
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
	w, err := NewWatcher()
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// rounds returns how often to rotate or truncate a file.
func rounds() int {
	if testing.Short() {
		return 100
	}
	return 1000
}

// ways are the ways to learn of a change: only by events, only by polling, by both.
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

func TestFollow(t *testing.T) {
	ways(t, func(t *testing.T, o FollowOptions) {
		path := filepath.Join(t.TempDir(), "a.log")
		begin := numbered(0, 10_000)
		appendTo(t, path, begin+"ha")
		o.Lines = 2
		r := follow(t, path, o)
		begin = "line 9999\nha"
		r.bytes(len(begin))
		appendTo(t, path, "lf\n")
		r.bytes(len(begin) + 3)
		long := strings.Repeat("x", 3*blockSize)
		appendTo(t, path, long)
		appendTo(t, path, "\r\n")
		r.is(begin+"lf\n"+long+"\r\n", "0: Start{98880 98892}")
	})
}

func TestFollowStartsWhereTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "a\nb\nc\n")
	for _, tt := range []struct {
		lines int
		bytes int64
		want  string
		start string
	}{
		{0, 0, "", "0: Start{6 6}"},
		{1, 0, "c\n", "0: Start{4 6}"},
		{3, 0, "a\nb\nc\n", "0: Start{0 6}"},
		{-1, 0, "a\nb\nc\n", "0: Start{0 6}"},
		{-1, 5, "b\nc\n", "0: Start{2 6}"},
	} {
		r := follow(t, path, FollowOptions{Lines: tt.lines, Bytes: tt.bytes})
		r.event("Start", 1)
		r.is(tt.want, tt.start)
		r.stop()
	}
}

func TestFollowWaitsForTheFile(t *testing.T) {
	ways(t, func(t *testing.T, o FollowOptions) {
		dir := filepath.Join(t.TempDir(), "later")
		path := filepath.Join(dir, "a.log")
		if o.Poll < 0 {
			must(t, os.Mkdir(dir, 0o755)) // what does not exist can't be watched
		}
		o.Lines = 1
		r := follow(t, path, o)
		r.event("Gone", 1)
		must(t, os.MkdirAll(dir, 0o755))
		appendTo(t, path, "a\nb\n")
		r.bytes(4)
		appendTo(t, path, "c\n")
		r.bytes(6)
		r.mu.Lock()
		start := r.events[2]
		r.events = r.events[:2]
		r.mu.Unlock()
		if !strings.HasPrefix(start, "0: Start{0 ") {
			t.Errorf("event %s, want Start{0 …}", start)
		}
		r.is("a\nb\nc\n", "0: Gone{removed}", "0: Back{}")
	})
}

// TestFollowIsBackWithTheRest takes a file away in every way, and gives it back.
func TestFollowIsBackWithTheRest(t *testing.T) {
	ways(t, func(t *testing.T, o FollowOptions) {
		if o.Poll < 0 {
			o.Poll = 200 * time.Millisecond // the time after which Gone is told
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "a.log")
		appendTo(t, path, "one\n")
		var mu sync.Mutex
		refused := false
		root, err := NewRoot(dir)
		must(t, err)
		defer root.Close()
		o.Open = func() (*os.File, error) {
			mu.Lock()
			defer mu.Unlock()
			if refused {
				return nil, ErrNotFound
			}
			return root.Open(filepath.ToSlash(path))
		}
		refuse := func(yes bool) {
			mu.Lock()
			defer mu.Unlock()
			refused = yes
			must(t, os.Chmod(path, 0o600))
			must(t, os.Chmod(path, 0o644))
		}
		r := follow(t, path, o)
		r.bytes(4)
		refuse(true)
		r.event("Gone{unreadable}", 1)
		refuse(false)
		appendTo(t, path, "two\n")
		r.event("Back", 1)
		r.bytes(8)

		must(t, os.Rename(path, path+".1"))
		r.event("Gone{removed}", 1)
		must(t, os.Rename(path+".1", path))
		r.event("Back", 2)
		appendTo(t, path, "three\n")
		r.bytes(14)

		must(t, os.Remove(path))
		must(t, os.Mkdir(path, 0o755))
		r.event("Gone{not a regular file}", 1)
		must(t, os.Remove(path))
		appendTo(t, path, "four\n")
		r.event("Back", 3)
		r.bytes(19)

		must(t, os.Rename(path, path+".1"))
		must(t, os.Symlink(os.Args[0], path))
		r.event("Gone{unreadable}", 2)
		must(t, os.Remove(path))
		must(t, os.Symlink("a.log.1", path))
		r.event("Back", 4)
		appendTo(t, path, "five\n")
		r.is("one\ntwo\nthree\nfour\nfive\n")
		r.counts(1, 0)
	})
}

// TestFollowSurvivesReadErrors has a file that opens but can't be read for a while.
func TestFollowSurvivesReadErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "one\n")
	var mu sync.Mutex
	flag := os.O_RDONLY
	set := func(f int) { mu.Lock(); defer mu.Unlock(); flag = f }
	r := follow(t, path, FollowOptions{Lines: -1, Poll: 5 * time.Millisecond, Linger: time.Millisecond, Path: "-", Open: func() (*os.File, error) {
		mu.Lock()
		defer mu.Unlock()
		return os.OpenFile(path, flag, 0)
	}})
	r.bytes(4)
	set(os.O_WRONLY)
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "two\n")
	r.event("Gone{unreadable}", 1)
	set(os.O_RDONLY)
	r.event("Back", 1)
	appendTo(t, path, "three\n")
	r.is("one\ntwo\nthree\n", "0: Start{0 4}", "4: Rotated{0}", "4: Gone{unreadable}", "4: Back{}")
}

// TestFollowRotations rotates a thousand times in each way during one follow. It
// goes on as soon as the new file was seen, so that rotations queue up.
func TestFollowRotations(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(t *testing.T, r *run, path string, i int, late, first string){
		"rename": func(t *testing.T, r *run, path string, i int, late, first string) {
			must(t, os.Rename(path, fmt.Sprint(path, ".", i)))
			appendTo(t, fmt.Sprint(path, ".", i), late)
			appendTo(t, path, first)
			r.seen()
		},
		"delete": func(t *testing.T, r *run, path string, i int, late, first string) {
			appendTo(t, path, late)
			must(t, os.Remove(path))
			appendTo(t, path, first)
			r.seen()
		},
		"symlink": func(t *testing.T, r *run, path string, i int, late, first string) {
			next := fmt.Sprint(path, ".", i)
			appendTo(t, path, late)
			appendTo(t, next, first)
			must(t, os.Symlink(filepath.Base(next), path+".new"))
			must(t, os.Rename(path+".new", path))
			r.seen()
		},
		// Of three files, again and again: each goes on where it was left.
		"symlink back": func(t *testing.T, r *run, path string, i int, late, first string) {
			next := fmt.Sprint(path, ".", i%3)
			appendTo(t, path, late)
			must(t, os.Symlink(filepath.Base(next), path+".new"))
			must(t, os.Rename(path+".new", path))
			r.event("Rotated", i)
			appendTo(t, path, first)
		},
	}
	for kind, rotate := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ways(t, func(t *testing.T, o FollowOptions) {
				n, rng := rounds(), rand.New(rand.NewPCG(1, 2))
				if o.Poll > 0 && o.Watcher != nil {
					o.Poll = 50 * time.Millisecond
				}
				path := filepath.Join(t.TempDir(), "a.log")
				if strings.HasPrefix(kind, "symlink") {
					must(t, os.Symlink("a.log.0", path))
					put(t, filepath.Dir(path), map[string]string{"a.log.1": "", "a.log.2": ""})
				}
				o.Linger = time.Duration(1+rng.IntN(4)) * time.Millisecond
				appendTo(t, path, "line 0\n")
				r := follow(t, path, o)
				r.bytes(7)
				line, size := 1, 7
				some := func() string {
					k := rng.IntN(50)
					s := numbered(line, k)
					line, size = line+k, size+len(s)
					return s
				}
				for i := 1; i <= n; i++ {
					rotate(t, r, path, i, some(), some())
				}
				r.event("Rotated", n)
				r.is(numbered(0, line))
				r.counts(n, 0)
			})
		})
	}
}

// TestFollowTruncations is what copytruncate does, at a pause: all was read. What is
// written then may be longer than what was there, and is there at once.
func TestFollowTruncations(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, o FollowOptions) {
		n := rounds()
		rng := rand.New(rand.NewPCG(3, 4))
		path := filepath.Join(t.TempDir(), "a.log")
		r := follow(t, path, o)
		r.event("Gone", 1)
		line, size := 0, 0
		for range n + 1 {
			must(t, os.WriteFile(path, nil, 0o644))
			for range 1 + rng.IntN(3) {
				k := 1 + rng.IntN(40)
				s := numbered(line, k)
				appendTo(t, path, s)
				line, size = line+k, size+len(s)
			}
			r.bytes(size)
		}
		r.is(numbered(0, line))
		r.counts(0, n)
		must(t, os.Truncate(path, 0))
		r.event("Truncated", n+1)
	})
}

// TestFollowReadsTheOldFileOn writes to a file that was renamed, after the new one
// has been seen and has content. Only more rotations than can wait end its time.
func TestFollowReadsTheOldFileOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "old\n")
	r := follow(t, path, FollowOptions{Lines: -1, Poll: time.Millisecond, Linger: time.Hour})
	r.bytes(4)
	want := "old\nlate\n"
	for i := range maxQueue + 1 {
		must(t, os.Rename(path, fmt.Sprint(path, ".", i)))
		s := fmt.Sprintln("new", i)
		appendTo(t, path, s)
		r.seen()
		if i == 0 {
			appendTo(t, path+".0", "late\n")
			r.bytes(9)
		}
		if i == 0 {
			want += s
		}
	}
	r.is(want)
}

// TestFollowLingers checks that the new file is not read before its time.
func TestFollowLingers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "old\n")
	const linger = 300 * time.Millisecond
	r := follow(t, path, FollowOptions{Lines: -1, Watcher: watcher(t), Linger: linger})
	r.bytes(4)
	begin := time.Now()
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "new\n")
	r.is("old\nnew\n")
	if took := time.Since(begin); took < linger {
		t.Errorf("the new file was read after %v, want %v", took, linger)
	}
}

// TestFollowLetsADeletedFileGo checks that nothing holds its space, and that what
// has its inode then is read from its start.
func TestFollowLetsADeletedFileGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "same\n")
	r := follow(t, path, FollowOptions{Lines: -1, Poll: 5 * time.Millisecond, Linger: 20 * time.Millisecond})
	r.bytes(5)
	must(t, os.Remove(path))
	if runtime.GOOS == "linux" {
		r.event("Gone", 1)
		for end := time.Now().Add(patience); holds(t, path+" (deleted)"); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the deleted file is still open")
			}
		}
	}
	appendTo(t, path, "same\n")
	r.is("same\nsame\n")
}

// holds reports whether this process has a file open.
func holds(t *testing.T, name string) bool {
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return slices.ContainsFunc(fds, func(e os.DirEntry) bool {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		return target == name
	})
}

// TestFollowAFastWriter appends 50,000 lines a second, a write each.
func TestFollowAFastWriter(t *testing.T) {
	const lines, perSecond = 100_000, 50_000
	path := filepath.Join(t.TempDir(), "a.log")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(t, err)
	defer f.Close()
	r := follow(t, path, FollowOptions{Lines: -1, Watcher: watcher(t)})
	var lags []time.Duration
	size, begin := 0, time.Now()
	for i := range lines {
		n, err := fmt.Fprintf(f, "line %d\n", i)
		must(t, err)
		size += n
		if i%1000 == 999 {
			// One thing is timed at a time; the writer catches up afterwards.
			at := time.Now()
			r.bytes(size)
			lags = append(lags, time.Since(at))
		}
		if ahead := time.Duration(i)*time.Second/perSecond - time.Since(begin); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
	}
	took := time.Since(begin)
	r.is(numbered(0, lines))
	slices.Sort(lags)
	t.Logf("%.0f lines a second; from append to viewer: median %v, longest %v", lines/took.Seconds(), lags[len(lags)/2], lags[len(lags)-1])
}

// TestFollowMany follows 200 files with one watcher, and looks for what is left.
func TestFollowMany(t *testing.T) {
	dir := t.TempDir()
	w := watcher(t)
	var runs []*run
	for i := range 200 {
		path := filepath.Join(dir, fmt.Sprint(i%2), fmt.Sprint(i))
		put(t, dir, map[string]string{fmt.Sprint(i%2, "/", i): "one\n"})
		runs = append(runs, follow(t, path, FollowOptions{Lines: -1, Poll: -1, Watcher: w}))
	}
	for _, r := range runs {
		r.bytes(4)
	}
	for _, r := range runs {
		appendTo(t, r.path, "two\n")
	}
	for _, r := range runs {
		r.is("one\ntwo\n")
		r.stop()
	}
	if len(w.dirs) != 0 || len(w.subs) != 0 || len(w.fs.WatchList()) != 0 {
		t.Errorf("left: %d directories, %d files, watches %q", len(w.dirs), len(w.subs), w.fs.WatchList())
	}
}

// TestFollowInAReplacedDirectory deletes the directory too.
func TestFollowInAReplacedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	put(t, dir, map[string]string{"a.log": "one\n"})
	root, err := NewRoot(dir)
	must(t, err)
	defer root.Close()
	path := filepath.Join(dir, "a.log")
	w := watcher(t)
	r := follow(t, path, FollowOptions{
		Lines: -1, Watcher: w, Poll: 20 * time.Millisecond, Linger: time.Millisecond,
		Open: func() (*os.File, error) { return root.Open(filepath.ToSlash(path)) },
	})
	r.bytes(4)
	must(t, os.RemoveAll(dir))
	r.event("Gone{removed}", 1)
	put(t, dir, map[string]string{"a.log": "two\n"})
	r.bytes(8)
	r.wait("a new watch", func() bool { return len(w.fs.WatchList()) == 1 })
	r.is("one\ntwo\n")
}

type failing struct{}

func (failing) Write(p []byte) (int, error) { return 0, os.ErrClosed }

func TestFollowEndsWithItsWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "one\n")
	err := Follow(t.Context(), failing{}, FollowOptions{Lines: -1, Open: func() (*os.File, error) { return os.Open(path) }})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("Follow = %v, want the writer's error", err)
	}
}

func TestWatcherCloses(t *testing.T) {
	w := watcher(t)
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "one\n")
	r := follow(t, path, FollowOptions{Lines: -1, Watcher: w, Poll: 5 * time.Millisecond})
	r.bytes(4)
	must(t, w.Close())
	must(t, w.Close())
	appendTo(t, path, "two\n")
	r.is("one\ntwo\n")
}

// TestFollowComesBackToAnotherContent has a link come back to a file that was
// rewritten meanwhile, longer than it was.
func TestFollowComesBackToAnotherContent(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "one\n", "b": "two\n"})
	path := filepath.Join(dir, "link")
	point := func(target string) {
		must(t, os.Symlink(target, path+".new"))
		must(t, os.Rename(path+".new", path))
	}
	point("a")
	r := follow(t, path, FollowOptions{Lines: -1, Poll: time.Millisecond, Linger: time.Millisecond})
	r.bytes(4)
	point("b")
	r.bytes(8)
	put(t, dir, map[string]string{"a": "quite another\n"})
	point("a")
	r.is("one\ntwo\nquite another\n", "0: Start{0 4}", "4: Rotated{0}", "8: Rotated{0}")
}

// A trap does something at the first write.
type trap struct {
	do  func()
	out bytes.Buffer
}

func (w *trap) Write(p []byte) (int, error) {
	if w.do != nil {
		w.do()
		w.do = nil
	}
	return w.out.Write(p)
}

// TestFollowCountsWhatWasTruncatedUnread truncates a file of three blocks when the
// first was read.
func TestFollowCountsWhatWasTruncatedUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	put(t, filepath.Dir(path), map[string]string{"a.log": strings.Repeat("x", 3*blockSize)})
	ctx, cancel := context.WithCancel(t.Context())
	w := &trap{do: func() {
		must(t, os.WriteFile(path, []byte("after\n"), 0o644))
	}}
	var events []any
	Follow(ctx, w, FollowOptions{Open: func() (*os.File, error) { return os.Open(path) }, Lines: -1, Event: func(e any) {
		events = append(events, e)
		if _, ok := e.(Truncated); ok {
			cancel()
		}
	}})
	if want := []any{Start{0, 3 * blockSize}, Truncated{blockSize, 2 * blockSize}}; !slices.Equal(events, want) {
		t.Errorf("%v, want %v", events, want)
	}
}

// TestGlance looks at a file before it is truncated, at all its sizes.
func TestGlance(t *testing.T) {
	for _, tt := range []struct {
		what, first, more, after string
		want                     Truncated
	}{
		{"all was read", "one\n", "", "x\n", Truncated{4, 0}},
		{"some was seen", "one\n", "two\n", "", Truncated{4, 4}},
		{"and it is longer again", "one\n", "two\n", strings.Repeat("x\n", 100), Truncated{4, 4}},
		{"at its start", "", "two\n", "", Truncated{0, 4}},
		{"some of it is left, maybe", "", "two\n", "x\n", Truncated{0, 2}},
	} {
		path := filepath.Join(t.TempDir(), "a.log")
		put(t, filepath.Dir(path), map[string]string{"a.log": tt.first})
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		s, buf := &source{f: f}, make([]byte, blockSize)
		if data, cut, err := s.read(buf); string(data) != tt.first || cut != nil || err != nil {
			t.Fatalf("%s: %q, %v, %v", tt.what, data, cut, err)
		}
		appendTo(t, path, tt.more)
		s.glance()
		must(t, os.WriteFile(path, []byte(tt.after), 0o644))
		s.glance() // of what is there now nothing is lost
		if _, cut, err := s.read(buf); cut == nil || *cut != tt.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", tt.what, cut, err, tt.want)
		}
		if data, cut, err := s.read(buf); string(data) != tt.after || cut != nil || err != nil {
			t.Errorf("%s: then %q, %v, %v; want %q", tt.what, data, cut, err, tt.after)
		}
	}
}

// TestFollowCopytruncate rotates a thousand times as logrotate's copytruncate does,
// with lines that come between the copy and the truncation. Only of those some may be
// missing, and no more than is told when any had been seen.
func TestFollowCopytruncate(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, o FollowOptions) {
		n := rounds()
		rng := rand.New(rand.NewPCG(5, 6))
		path := filepath.Join(t.TempDir(), "a.log")
		appendTo(t, path, "line 0\n")
		r := follow(t, path, o)
		r.bytes(7)
		line := 1
		window := map[string]bool{} // lines that may be lost
		some := func() (last string) {
			k := 1 + rng.IntN(20)
			appendTo(t, path, numbered(line, k))
			line += k
			return fmt.Sprintf("line %d\n", line-1)
		}
		for i := range n {
			last := some()
			r.wait(last, func() bool { return bytes.HasSuffix(r.out.Bytes(), []byte(last)) })
			content, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path+".1", content, 0o644))
			from := line
			some()
			for ; from < line; from++ {
				window[fmt.Sprintf("line %d\n", from)] = true
			}
			must(t, os.Truncate(path, 0))
			r.event("Truncated", i+1)
		}
		last := some()
		r.wait(last, func() bool { return bytes.HasSuffix(r.out.Bytes(), []byte(last)) })
		r.stop()

		next, lost, lostBytes := 0, 0, 0
		for got := range strings.Lines(r.out.String()) {
			for ; next < line && got != fmt.Sprintf("line %d\n", next); next++ {
				missing := fmt.Sprintf("line %d\n", next)
				if !window[missing] {
					t.Fatalf("%q is missing, or %q doubled or cut", missing, got)
				}
				lost++
				lostBytes += len(missing)
			}
			next++
		}
		told := 0
		for _, e := range r.events {
			var grant, offset, bytes int
			if k, _ := fmt.Sscanf(e, "%d: Truncated{%d %d}", &grant, &offset, &bytes); k == 3 {
				told += bytes
			}
		}
		t.Logf("%d lines written, %d delivered, %d lost, of %d in copytruncate's window; %d bytes lost, %d told", line, line-lost, lost, len(window), lostBytes, told)
		if next != line || told > lostBytes {
			t.Errorf("up to line %d of %d; %d bytes told to be lost, %d are", next, line, told, lostBytes)
		}
		if o.Poll < 0 && told == 0 {
			t.Error("with events, some of what is lost had been seen; none of it was told")
		}
		r.counts(0, n)
	})
}
