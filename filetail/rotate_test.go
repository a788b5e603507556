package filetail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFollowRotations rotates a thousand times in each way during a single Follow. It
// continues as soon as the new file was seen, so that rotations queue up.
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
		// Alternates among three files: each continues where it was left.
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

// TestFollowReadsRenamedFile writes to a file that was renamed after the new one has been
// seen and has content. Only more rotations than may wait end the old file's time.
func TestFollowReadsRenamedFile(t *testing.T) {
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

// TestFollowLingers checks that the new file is not read before the old one's time is over.
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

// TestFollowClosesDeletedFile checks that Follow doesn't keep a deleted file open, and that
// a new file with its inode is read from its start.
func TestFollowClosesDeletedFile(t *testing.T) {
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

// TestFollowReturnsToRewrittenFile has a link return to a file that was rewritten meanwhile
// and is longer than before.
func TestFollowReturnsToRewrittenFile(t *testing.T) {
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
