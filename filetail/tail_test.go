package filetail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTail(t *testing.T) {
	long := strings.Repeat("x", 3*blockSize+7)
	for _, tt := range []struct {
		name     string
		lines    int
		max      int64
		in, want string
	}{
		{"empty", 3, 0, "", ""},
		{"all of nothing", -1, 10, "", ""},
		{"none", 0, 0, "a\nb\n", ""},
		{"all", -1, 0, "a\nb\n", "a\nb\n"},
		{"last", 1, 0, "a\nb\n", "b\n"},
		{"an unfinished line counts", 2, 0, "a\nb\nc", "b\nc"},
		{"as many as there are", 3, 0, "a\nb\nc\n", "a\nb\nc\n"},
		{"more than there are", 9, 0, "a\nb\n", "a\nb\n"},
		{"CRLF", 2, 0, "a\r\nb\r\nc\r\n", "b\r\nc\r\n"},
		{"empty lines", 2, 0, "\n\n\n\n", "\n\n"},
		{"a line longer than blocks", 1, 0, "a\n" + long + "\n", long + "\n"},
		{"before a long line", 2, 0, "a\nb\n" + long, "b\n" + long},
		{"bytes, cut at a line", 9, 5, "aaa\nbbb\nc\n", "c\n"},
		{"bytes, exactly at a line", 9, 6, "aaa\nbbb\nc\n", "bbb\nc\n"},
		{"bytes of a long line", 9, 4, "0123456789", "6789"},
		{"bytes of a finished long line", 9, 4, "a\n0123456789\n", "789\n"},
		{"all, limited", -1, 5, "aaa\nbbb\nc\n", "c\n"},
		{"no character is cut", 9, 3, "aaaäöü", "ü"},
		{"not even one fits", 9, 2, "aaa€", ""},
		{"far from the limit", 1, 3 * blockSize, long + "\nb\n", "b\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			offset, err := Tail(strings.NewReader(tt.in), int64(len(tt.in)), tt.lines, tt.max)
			if err != nil || offset > int64(len(tt.in)) || tt.in[offset:] != tt.want {
				t.Errorf("Tail = %d, %v; want %d", offset, err, len(tt.in)-len(tt.want))
			}
		})
	}
	f, err := os.Open(t.TempDir())
	must(t, err)
	f.Close()
	if _, err := Tail(f, 2, 1, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Tail of a closed file: %v", err)
	}
}

// modelTail finds, in the most obvious way, where the last lines of all begin.
func modelTail(all []byte, lines int, size int64) int {
	low := 0
	if size > 0 && size < int64(len(all)) {
		low = len(all) - int(size)
		if i := bytes.IndexByte(all[low-1:], '\n'); i >= 0 && low+i < len(all) {
			low += i
		} else {
			for i := 0; i < 3 && low < len(all) && !utf8.RuneStart(all[low]); i++ {
				low++
			}
		}
	}
	for lines >= 0 {
		rest := all[low:]
		n := bytes.Count(rest, newline)
		if len(rest) > 0 && rest[len(rest)-1] != '\n' {
			n++
		}
		if n <= lines {
			break
		}
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			low += i + 1
		} else {
			low = len(all)
		}
	}
	return low
}

// FuzzTail repeats a piece until the file has several blocks, and compares Tail with the
// model.
func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), uint16(0), 2, int64(0))
	f.Add([]byte("äöü€𝄞\n\xff\xfe€"), uint16(3), -1, int64(7))
	f.Add([]byte("0123456\n"), uint16(20_000), 9000, int64(100_000))
	f.Add(bytes.Repeat([]byte("x"), 999), uint16(200), 1, int64(blockSize))
	f.Add([]byte("x\r\n"), uint16(50_000), 30_000, int64(-5))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, piece []byte, times uint16, lines int, size int64) {
		if len(piece) > 1000 || lines > 1<<20 {
			return
		}
		all := bytes.Repeat(piece, min(int(times)+1, 300_000/(len(piece)+1)+1))
		if lines > 0 && bytes.Count(all, newline)-lines > 1000 && len(all) > 10_000 {
			lines = bytes.Count(all, newline) - lines%1000 // the model takes quadratic time
		}
		name := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		must(t, os.WriteFile(name, all, 0o644))
		file, err := os.Open(name)
		must(t, err)
		defer file.Close()
		got, err := Tail(file, int64(len(all)), lines, size)
		if want := modelTail(all, lines, size); err != nil || got != int64(want) {
			t.Fatalf("Tail of %d bytes, %d lines, %d bytes = %d, %v; want %d", len(all), lines, size, got, err, want)
		}
	})
}

// TestTailOfBigFile takes a file of 2 GiB, nearly all of which is a hole.
func TestTailOfBigFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "big")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	must(t, err)
	defer f.Close()
	const hole = 2 << 30
	end := numbered(0, 50_000)
	_, err = f.WriteAt([]byte("\n"+end), hole)
	must(t, err)
	for _, tt := range []struct {
		lines int
		max   int64
		want  int64
	}{
		{50_000, 0, hole + 1},
		{1, 0, hole + 1 + int64(strings.Index(end, "line 49999"))},
		{100_000, 1 << 20, hole + 1},
		{-1, int64(len(end)), hole + 1},
		{-1, 100_000, hole + 1 + int64(len(end)) - 100_000 + int64(strings.IndexByte(end[len(end)-100_000-1:], '\n'))},
	} {
		r := &countingReader{ReaderAt: f}
		size := hole + 1 + int64(len(end))
		got, err := tail(r, size, tt.lines, tt.max)
		if got != tt.want || err != nil {
			t.Errorf("tail(%d, %d) = %d, %v; want %d", tt.lines, tt.max, got, err, tt.want)
		}
		if most := max(size-tt.want, 2*tt.max) + blockSize; r.read > most {
			t.Errorf("tail(%d, %d) read %d bytes, want %d at most", tt.lines, tt.max, r.read, most)
		}
		if allocs := testing.AllocsPerRun(1, func() { Tail(f, size, tt.lines, tt.max) }); allocs > 20 {
			t.Errorf("Tail(%d, %d) took %v allocations", tt.lines, tt.max, allocs)
		}
	}
}

// A countingReader counts the bytes read.
type countingReader struct {
	io.ReaderAt
	read int64
}

func (r *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	r.read += int64(n)
	return n, err
}
