package broadcaster

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func TestBacklogStartsAtALine(t *testing.T) {
	for _, tt := range []struct {
		name         string
		lines, bytes int
		n            int
		in, want     string
		line         int64
	}{
		{"empty", 3, 100, -1, "", "", 1},
		{"all fits", 3, 100, -1, "a\nb\nc\n", "a\nb\nc\n", 1},
		{"by lines", 2, 100, -1, "a\nb\nc\n", "b\nc\n", 2},
		{"an unfinished line counts", 2, 100, -1, "a\nb\nc", "b\nc", 2},
		{"by bytes, cut at a line", 9, 5, -1, "aaa\nbbb\nc\n", "c\n", 3},
		{"by bytes, exactly at a line", 9, 6, -1, "aaa\nbbb\nc\n", "bbb\nc\n", 2},
		{"one line longer than the ring", 9, 4, -1, "0123456789", "6789", 1},
		{"a finished line longer than the ring", 9, 4, -1, "a\n0123456789\n", "789\n", 2},
		{"no character is cut", 9, 4, -1, "aaaäöü", "öü", 1},
		{"a cut character is left out", 9, 3, -1, "aaaäöü", "ü", 1},
		{"n lines", 9, 100, 2, "a\nb\nc\nd", "c\nd", 3},
		{"more than there are", 9, 100, 7, "a\nb\n", "a\nb\n", 1},
		{"none", 9, 100, 0, "a\nb\n", "", 3},
		{"none, within a line", 9, 100, 0, "a\nb", "", 2},
		{"empty lines", 2, 100, -1, "\n\n\n\n", "\n\n", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := New(Options{Lines: tt.lines, Bytes: tt.bytes})
			write(t, b, tt.in)
			b.Close()
			c, start := b.Open(tt.n)
			if got, _ := drain(t, c); string(got) != tt.want || start.Line != tt.line {
				t.Errorf("got %q from line %d, want %q from line %d", got, start.Line, tt.want, tt.line)
			}
			if want := int64(len(tt.in) - len(tt.want)); start.Offset != want {
				t.Errorf("offset = %d, want %d", start.Offset, want)
			}
		})
	}
}

func TestStampsGiveLineTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Lines: 3})
		zero := time.Now()
		for _, s := range []string{"a\n", "b", "b", "b\nc", "c\nd\n", "e\n"} {
			write(t, b, s)
			time.Sleep(time.Second)
		}
		b.Close()
		_, start := b.Open(-1)
		var got []string
		for _, s := range start.Stamps {
			got = append(got, fmt.Sprintf("%d: %d s", s.Offset, (s.UnixMilli-zero.UnixMilli())/1000))
		}
		// Line c, at 6, began with the chunk at 4.
		want := []string{"4: 3 s", "7: 4 s", "11: 5 s"}
		if start.Offset != 6 || !slices.Equal(got, want) {
			t.Errorf("from %d: %q, want from 6: %q", start.Offset, got, want)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	for name, chunk := range map[string]string{"no newline": strings.Repeat("x", 1000), "lines": strings.Repeat("x\n", 500)} {
		b := New(Options{Lines: 8 << 20, Bytes: 4 << 20})
		for range 64 << 20 / len(chunk) {
			write(t, b, chunk)
		}
		b.Close()
		if got, most := len(b.ring.blocks)*blockSize, 4<<20+grace+2*blockSize; got > most {
			t.Errorf("%s: %d bytes held, want at most %d", name, got, most)
		}
		if s := b.Stats(); s.End-s.Start > 4<<20 || s.End-s.Start < 4<<20-1000 {
			t.Errorf("%s: %d bytes kept", name, s.End-s.Start)
		}
	}
}

// modelStart finds, in the most obvious way, where the backlog of all begins.
func modelStart(all []byte, lines, size int, before int) int {
	start := before
	if low := len(all) - size; low > start {
		start = low
		if i := bytes.IndexByte(all[low-1:], '\n'); i >= 0 && low+i < len(all) {
			start = low + i
		} else {
			for i := 0; i < 3 && start < len(all) && !utf8.RuneStart(all[start]); i++ {
				start++
			}
		}
	}
	for {
		rest := all[start:]
		n := bytes.Count(rest, newline)
		if len(rest) > 0 && rest[len(rest)-1] != '\n' {
			n++
		}
		if n <= lines {
			return start
		}
		start += bytes.IndexByte(rest, '\n') + 1
	}
}

// FuzzRing feeds the same pieces to a broadcaster and a model. After each piece it compares
// the whole backlog, a part of it, and a resume.
func FuzzRing(f *testing.F) {
	f.Add([]byte("a\nbb\nccc\n\n\ndddd"), uint8(3), uint16(9), uint8(2))
	f.Add([]byte("äöü€𝄞\n\xff\xfe€"), uint8(200), uint16(5), uint8(1))
	f.Add(bytes.Repeat([]byte("0123456\n"), 200), uint8(4), uint16(1000), uint8(99))
	f.Fuzz(func(t *testing.T, in []byte, lines uint8, size uint16, step uint8) {
		in = in[:min(len(in), 2000)] // the model takes quadratic time
		o := Options{Lines: int(lines) + 1, Bytes: int(size) + 1}
		b := New(o)
		b.ring.blockSize = 1 + int(size)%50
		defer b.Close()
		follow, _ := b.Open(-1)
		start, seen := 0, []byte(nil)
		for at := 0; at < len(in); {
			next := min(at+int(step)+1, len(in))
			b.Write(in[at:next])
			b.mu.Lock()
			b.publish(time.Now())
			b.mu.Unlock()
			at = next
			start = modelStart(in[:at], o.Lines, o.Bytes, start)

			data, events := drain(t, follow)
			if seen = append(seen, data...); !bytes.Equal(seen, in[:at]) || len(events) > 0 {
				t.Fatalf("follower: %q, %q; want %q", seen, events, in[:at])
			}
			check := func(c *Cursor, s Start, from int) {
				t.Helper()
				if data, _ := drain(t, c); s.Offset != int64(from) || !bytes.Equal(data, in[from:at]) {
					t.Fatalf("from %d: %q, want from %d: %q", s.Offset, data, from, in[from:at])
				}
				if want := int64(bytes.Count(in[:from], newline)) + 1; s.Line != want {
					t.Fatalf("line = %d, want %d", s.Line, want)
				}
			}
			c, s := b.Open(-1)
			check(c, s, start)
			n := int(step) % 5
			c, s = b.Open(n)
			if from := at; n > 0 {
				check(c, s, modelStart(in[:at], n, len(in)+1, start))
			} else {
				check(c, s, from)
			}
			middle := start + (at-start)/2
			c, s = b.Resume(b.Epoch(), int64(middle), -1)
			check(c, s, middle)
		}
	})
}
