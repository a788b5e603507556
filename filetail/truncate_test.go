package filetail

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFollowTruncations does what copytruncate does during a pause, when everything was
// read. What is written afterwards may be longer than what was there, and is there
// immediately.
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

// A trap calls do at the first write.
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

// TestFollowCountsTruncatedBytes truncates a file of three blocks after the first was read.
func TestFollowCountsTruncatedBytes(t *testing.T) {
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

// TestGlance looks at a file of different sizes before it is truncated.
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
		s.glance() // must not count what is there now
		if _, cut, err := s.read(buf); cut == nil || *cut != tt.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", tt.what, cut, err, tt.want)
		}
		if data, cut, err := s.read(buf); string(data) != tt.after || cut != nil || err != nil {
			t.Errorf("%s: then %q, %v, %v; want %q", tt.what, data, cut, err, tt.after)
		}
	}
}

// TestFollowCopytruncate rotates a thousand times as logrotate's copytruncate does, with
// lines that are written between the copy and the truncation. Only some of those lines may
// be missing, and at least as many bytes as Follow reports.
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
		window := map[string]bool{} // the lines that may be lost
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
			var at, offset, bytes int
			if k, _ := fmt.Sscanf(e, "%d: Truncated{%d %d}", &at, &offset, &bytes); k == 3 {
				told += bytes
			}
		}
		t.Logf("%d lines written, %d delivered, %d lost, of %d in copytruncate's window; %d bytes lost, %d told", line, line-lost,
			lost, len(window), lostBytes, told)
		if next != line || told > lostBytes {
			t.Errorf("up to line %d of %d; %d bytes told to be lost, %d are", next, line, told, lostBytes)
		}
		if o.Poll < 0 && told == 0 {
			t.Error("with events, some of what is lost had been seen; none of it was told")
		}
		r.counts(0, n)
	})
}
