package filetail

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFollowMany follows 200 files with one watcher, and checks that nothing is left over.
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

// TestFollowInReplacedDirectory also deletes the file's directory.
func TestFollowInReplacedDirectory(t *testing.T) {
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
