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
	x := newIndex(nil)
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

// Any offset and any line is found, in lines that are longer than marks are apart, too.
func TestIndexFindsEverything(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := hostile(r, 1+r.IntN(400))
		if seed%3 == 0 {
			text = bytes.ReplaceAll(text, newline, nil)
		}
		file, size := bytes.NewReader(text), int64(len(text))
		x := indexOf(1 + int64(r.IntN(32)))
		for range 20 {
			offset := r.Int64N(size + 2)
			at, err := x.at(file, size, offset)
			if offset > size {
				if err != errAhead {
					t.Fatalf("seed %d: at %d of %d: %v", seed, offset, size, err)
				}
				continue
			}
			want := scan{line: 1}
			want.add(text[:offset])
			if err != nil || at.offset != offset || at.line != want.line || at.state != want.state || !bytes.Equal(at.head, want.head) {
				t.Fatalf("seed %d: at %d: %+v instead of %+v, %v", seed, offset, at, want, err)
			}
			begin := int64(bytes.LastIndexByte(text[:offset], '\n') + 1)
			if got, err := x.line(file, size, want.line); err != nil || got != begin {
				t.Fatalf("seed %d: line %d begins at %d instead of %d, %v", seed, want.line, got, begin, err)
			}
			got, line, err := x.lineFrom(file, size, offset)
			next, number := begin, want.line
			if begin != offset {
				i := int64(bytes.IndexByte(text[offset:], '\n'))
				if next, number = offset+i+1, number+1; i < 0 {
					if err != errAhead {
						t.Fatalf("seed %d: no line begins after %d: %v", seed, offset, err)
					}
					continue
				}
			}
			if err != nil || got != next || line != number {
				t.Fatalf("seed %d: from %d on, line %d begins at %d instead of %d at %d, %v", seed, offset, line, got, number, next, err)
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

// A file that changes its title all the time doesn't make the index large, and its lines are found.
func TestIndexOfManyTitles(t *testing.T) {
	var text []byte
	for n := range 4000 {
		text = fmt.Appendf(text, "\x1b]2;%d%s\a\n", n, strings.Repeat("title", 500))
	}
	x, file, size := indexOf(64), bytes.NewReader(text), int64(len(text))
	for _, n := range []int64{4000, 1, 1234} {
		at, err := x.place(file, size, n)
		if title, _ := at.State.Texts(); err != nil || at.Line != n || n > 1 && !strings.HasPrefix(title, fmt.Sprintf("%dtitle", n-2)) {
			t.Errorf("line %d: %d %.20q, %v", n, at.Line, title, err)
		}
	}
	if x.states > maxStates || len(x.marks) < 50 {
		t.Errorf("%d bytes of states of %d marks", x.states, len(x.marks))
	}
}

// A place within a long line is near a mark, too.
func TestIndexOfALongLine(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 1000)
	x := indexOf(16)
	if _, err := x.at(bytes.NewReader(text), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(x.marks); i++ {
		if far := x.marks[i].offset - x.marks[i-1].offset; far > 2*x.span {
			t.Errorf("marks are %d bytes apart", far)
		}
	}
	if n := len(x.marks); n < 30 {
		t.Errorf("%d marks", n)
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
			var index *index
			if index, err = all.of("/a.log", f, info); err == nil {
				at, err = index.place(f, info.Size(), n)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := line("one\ntwo\nthree\n", 4); at.Offset != 14 || at.Line != 4 {
		t.Errorf("line 4 is at %+v", at)
	}
	used := all.get("/a.log")
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
		all.put(fmt.Sprint(i), used)
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
