package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wsrun/filetail"
	"wsrun/test/wait"
)

// newLogs returns a registry of n small files, and the path of their directory.
func newLogs(t *testing.T, n int) (*Logs, string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.log", i)), []byte("line\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filetail.NewRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := New(Options{Root: root, Lines: 10, Bytes: 1 << 10})
	t.Cleanup(func() {
		l.Close()
		root.Close()
	})
	return l, filepath.ToSlash(dir)
}

// When too many files are followed, the one that has been idle for the longest time makes room for
// another one. Files with viewers don't.
func TestLongestIdleMakesRoom(t *testing.T) {
	filter, err := compile("x", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		most   int
		filter Filter
	}{{"files", maxFollowed, Filter{}}, {"filtered views", maxFiltered, filter}} {
		t.Run(tt.name, func(t *testing.T) {
			l, dir := newLogs(t, maxFollowed+3)
			follow := func(i int) (leave func(), err error) {
				f, err := l.Open(t.Context(), fmt.Sprintf("%s/%d.log", dir, i))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				_, leave, err = f.Follow(t.Context(), tt.filter)
				return leave, err
			}
			var leaves []func()
			for i := range tt.most {
				leave, err := follow(i)
				if err != nil {
					t.Fatal(i, err)
				}
				leaves = append(leaves, leave)
			}
			if _, err := follow(tt.most); err != ErrFull {
				t.Fatalf("one more than fit: %v", err)
			}
			if tt.filter.All() { // a filtered view is dropped when its last viewer leaves
				leaves[7]()
				leaves[3]()
				again, err := follow(7) // now 3 has been idle for longer
				if err != nil {
					t.Fatal(err)
				}
				again()
				if _, err := follow(tt.most); err != nil {
					t.Fatalf("with two idle files: %v", err)
				}
				l.mu.Lock()
				_, kept := l.followed[view{path: dir + "/7.log"}]
				_, dropped := l.followed[view{path: dir + "/3.log"}]
				l.mu.Unlock()
				if !kept || dropped {
					t.Errorf("the file idle for the longest time stayed: %v, the other one: %v", dropped, kept)
				}
			}
			if st := l.Stats(); st.Watched+st.Idle > tt.most {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Filters whose expressions are large are fewer.
func TestFiltersAreLimitedTogether(t *testing.T) {
	l, dir := newLogs(t, 1)
	follow := func(expr string) (leave func(), err error) {
		filter, err := compile(expr, false)
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.Open(t.Context(), dir+"/0.log")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, leave, err = f.Follow(t.Context(), filter)
		return leave, err
	}
	large := func(i int) string { return strings.Repeat("a{1000}", 9) + strconv.Itoa(i) }
	n := 0
	var leave func()
	for ; ; n++ {
		next, err := follow(large(n))
		if err == ErrFull {
			break
		}
		if err != nil || n > maxFiltered {
			t.Fatal(n, err)
		}
		leave = next
	}
	if n != 7 {
		t.Errorf("%d large expressions, want 7", n)
	}
	if _, err := follow("small"); err != nil {
		t.Errorf("a small one after them: %v", err)
	}
	leave()
	wait.For(t, wait.Patience, "the room stays taken", func() bool {
		_, err := follow(large(n))
		return err == nil
	})
}
