package logs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

// indexOf returns an index of nothing yet.
func indexOf(span int64) *index {
	x := &index{}
	x.begin(nil)
	x.span = span
	return x
}

// hostile returns a text in which lines begin inside of control sequences, too.
func hostile(r *rand.Rand, parts int) []byte {
	some := []string{"\n", "\r\n", "text", "\x1b[31m", "\x1b[1;38;5;7", "m", "\x1b]8;;http://x", "\x1b\\", "\x1b]2;title\a", "\x1bX junk", "\x1b[?1049h", "\x1b[?1049l", "\x18"}
	var b []byte
	for range parts {
		b = append(b, some[r.IntN(len(some))]...)
	}
	return b
}

// A scan of the whole file finds the same places.
func TestIndexPlaces(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		text := hostile(r, 1+r.IntN(400))
		want := map[int64]Place{1: {Line: 1}} // by line
		s := scan{line: 1}
		for _, line := range bytes.SplitAfter(text, newline) {
			if s.add(line); bytes.HasSuffix(line, newline) && s.isPlace() {
				want[s.line] = Place{s.offset, s.line, s.state}
			}
		}
		x := indexOf(1 + int64(r.IntN(64)))
		for range 20 {
			n := 1 + r.Int64N(s.line+2)
			got, err := x.place(bytes.NewReader(text), int64(len(text)), n)
			if err != nil {
				t.Fatal(err)
			}
			if _, exact := want[n]; exact && got.Line != n || got.Line > n || got.Line < 1 || got != want[got.Line] {
				t.Fatalf("seed %d: line %d of %d is at %d, line %d; exactly: %v", seed, n, s.line, got.Offset, got.Line, exact)
			}
		}
	}
}

// A long file has as many marks as a shorter one, further apart.
func TestIndexIsBounded(t *testing.T) {
	text := bytes.Repeat([]byte("x\n"), 5*maxMarks)
	x := indexOf(1)
	for _, line := range []int64{5 * maxMarks, 4*maxMarks + 1, 1} {
		at, err := x.place(bytes.NewReader(text), int64(len(text)), line)
		if err != nil || at.Line != line || at.Offset != 2*(line-1) {
			t.Errorf("line %d: %+v, %v", line, at, err)
		}
	}
	if n := len(x.marks); n > maxMarks || n < maxMarks/4 {
		t.Errorf("%d marks, %d bytes apart", len(x.marks), x.span)
	}
	if size := cap(x.marks) * int(unsafe.Sizeof(x.marks[0])); size > 2<<20 {
		t.Errorf("an index takes %d bytes", size)
	}
}

// A file's index is used again while the file grows, and not for another file.
func TestIndexIsOfItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var all indexes
	line := func(content string, n int64) (at Place) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.Truncate(0)
		f.WriteString(content)
		info, err := f.Stat()
		if err == nil {
			at, err = all.lookUp("/a.log", f, info, n, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := line("one\ntwo\nthree\n", 4); at.Offset != 14 || at.Line != 4 {
		t.Errorf("line 4 is at %+v", at)
	}
	used := all.of("/a.log")
	used.end.state = scanOf("\x1b[1m").state // a mark of this index
	if at := line("one\ntwo\nthree\nfour\n", 5); at.Offset != 19 || at.Line != 5 {
		t.Errorf("line 5 of a file that has grown is at %+v", at)
	}
	if used.end.state == (scan{}).state {
		t.Error("what was read of a file that has grown is read again")
	}
	if at := line("1\n2\nthree\nfour\nfive\n", 3); at.Offset != 4 || at.Line != 3 {
		t.Errorf("line 3 of a file with other content is at %+v", at)
	}
	if at := line("1\n", 3); at.Line != 1 {
		t.Errorf("line 3 of a file that was truncated is at %+v", at)
	}
	for i := range 2 * maxIndexes {
		all.of(fmt.Sprint(i))
	}
	if len(all.recent) != maxIndexes || all.recent[0].path != fmt.Sprint(2*maxIndexes-1) {
		t.Errorf("%d indexes, the latest of %s", len(all.recent), all.recent[0].path)
	}
}

func scanOf(text string) (s scan) {
	s.add([]byte(text))
	return s
}

func BenchmarkIndex(b *testing.B) {
	for name, line := range map[string]string{
		"plain":    strings.Repeat("10.0.0.7 - - GET /api/users ", 4) + "\n",
		"coloured": strings.Repeat("\x1b[32mok\x1b[m src/module.c -O2 -Wall ", 4) + "\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := bytes.Repeat([]byte(line), 64<<20/len(line))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := indexOf(markSpan).place(bytes.NewReader(text), int64(len(text)), 1<<40); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
