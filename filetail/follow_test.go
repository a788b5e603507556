package filetail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

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

func TestFollowStart(t *testing.T) {
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
			must(t, os.Mkdir(dir, 0o755)) // a directory that doesn't exist can't be watched
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

// TestFollowIsBackWithTheRest takes a file away in every way, and returns it.
func TestFollowIsBackWithTheRest(t *testing.T) {
	ways(t, func(t *testing.T, o FollowOptions) {
		if o.Poll < 0 {
			o.Poll = 200 * time.Millisecond // also the time until Gone
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

// TestFollowFastWriter appends 50,000 lines a second, one write each.
func TestFollowFastWriter(t *testing.T) {
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
			// The writer pauses while one line is timed, and catches up afterwards.
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

type failing struct{}

func (failing) Write(p []byte) (int, error) { return 0, os.ErrClosed }

func TestFollowStopsWhenWriterFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	appendTo(t, path, "one\n")
	err := Follow(t.Context(), failing{}, FollowOptions{Lines: -1, Open: func() (*os.File, error) { return os.Open(path) }})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("Follow = %v, want the writer's error", err)
	}
}
