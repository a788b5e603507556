package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"wsrun/filetail"
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
