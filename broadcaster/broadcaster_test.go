package broadcaster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drain reads what a cursor has now: the bytes, and the events with their place
// among them.
func drain(t *testing.T, c *Cursor) (data []byte, events []string) {
	t.Helper()
	for {
		item, wait, err := c.Poll()
		switch {
		case err == io.EOF || wait != nil:
			return data, events
		case item.Reset != nil:
			events = append(events, fmt.Sprintf("%d: reset to line %d at %d, %d lines and %d bytes skipped", len(data),
				item.Reset.Line, item.Reset.Offset, item.Reset.SkippedLines, item.Reset.SkippedBytes))
		case item.Event != nil:
			events = append(events, fmt.Sprintf("%d: %v", len(data), item.Event))
		default:
			data = append(data, item.Data...)
		}
	}
}

func write(t *testing.T, b *Broadcaster, s string) {
	t.Helper()
	if n, err := io.WriteString(b, s); n != len(s) || err != nil {
		t.Fatalf("Write = %d, %v; want %d, nil", n, err, len(s))
	}
}

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

func TestPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		defer b.Close()
		c, _ := b.Open(-1)
		expect := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got, _ := drain(t, c); string(got) != want {
				t.Errorf("%s: got %d bytes, want %d", when, len(got), len(want))
			}
		}
		write(t, b, "a")
		expect("the first chunk, at once", "a")
		write(t, b, "b")
		write(t, b, "c")
		expect("within 16 ms", "")
		time.Sleep(15 * time.Millisecond)
		expect("after 15 ms", "")
		time.Sleep(time.Millisecond)
		expect("after 16 ms", "bc")
		big := strings.Repeat("x", publishBytes)
		write(t, b, big[1:])
		expect("64 KiB less one", "")
		write(t, b, big[:2])
		expect("64 KiB wait", big+"x")
		time.Sleep(publishInterval)
		write(t, b, "e")
		expect("after a rest, at once", "e")
		write(t, b, "f")
		b.Emit(Resize{80, 24})
		write(t, b, "g")
		synctest.Wait()
		if data, events := drain(t, c); string(data) != "f" || !slices.Equal(events, []string{"1: {80 24}"}) {
			t.Errorf("an event publishes what is before it: got %q, %q", data, events)
		}
		write(t, b, "h")
		b.Close()
		expect("closed", "gh")
		if _, _, err := c.Poll(); err != io.EOF {
			t.Errorf("after the end: %v, want EOF", err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("Write after Close: %v, want ErrClosed", err)
		}
	})
}

func TestEventsKeepTheirPlace(t *testing.T) {
	b := New(Options{})
	b.Emit(Resize{80, 24})
	early, start := b.Open(-1)
	if start.Size != (Resize{80, 24}) {
		t.Errorf("size at the start = %v, want 80x24", start.Size)
	}
	write(t, b, "one\n")
	b.Emit(Resize{90, 24})
	b.Emit(Resize{100, 24})
	write(t, b, "two\n")
	b.Emit(Resize{110, 24})
	b.Emit(Exit{Code: 3})
	b.Close()
	b.Emit(Exit{Code: 4})

	want := []string{"4: {100 24}", "8: {110 24}", "8: {3  0s}"}
	if data, events := drain(t, early); string(data) != "one\ntwo\n" || !slices.Equal(events, want) {
		t.Errorf("early: %q, %q; want %q", data, events, want)
	}
	late, start := b.Open(1)
	if start.Size != (Resize{100, 24}) {
		t.Errorf("size at the second line = %v, want 100x24", start.Size)
	}
	if data, events := drain(t, late); string(data) != "two\n" || !slices.Equal(events, []string{"4: {110 24}", "4: {3  0s}"}) {
		t.Errorf("late: %q, %q", data, events)
	}
	last, start := b.Resume(b.Epoch(), 8, -1)
	if !start.Resumed || start.Size != (Resize{110, 24}) {
		t.Errorf("resumed at the end: %+v", start)
	}
	if data, events := drain(t, last); len(data) != 0 || !slices.Equal(events, []string{"0: {110 24}", "0: {3  0s}"}) {
		t.Errorf("at the end: %q, %q; want the size and the exit again", data, events)
	}
}

// Events of before a reader's first byte are no business of its.
func TestEventsOfThePast(t *testing.T) {
	b := New(Options{})
	write(t, b, "one\n")
	b.Emit("rotated")
	write(t, b, "two\n")
	b.Emit("truncated")
	write(t, b, "three\n")
	b.Close()
	for lines, want := range []string{" []", "three\n [0: truncated]", "two\nthree\n [0: rotated 4: truncated]"} {
		c, _ := b.Open(lines)
		if data, events := drain(t, c); fmt.Sprintf("%s %s", data, events) != want {
			t.Errorf("the last %d lines: %q, %q; want %q", lines, data, events, want)
		}
	}
}

func TestSizeOutlivesItsOutput(t *testing.T) {
	b := New(Options{Lines: 2})
	b.Emit(Resize{80, 24})
	line := strings.Repeat("x", 999) + "\n"
	for range 2 * grace / len(line) {
		write(t, b, line)
	}
	b.Emit(Resize{90, 24})
	if len(b.ring.events) != 1 {
		t.Errorf("%d marks kept, want 1", len(b.ring.events))
	}
	if _, start := b.Open(-1); start.Size != (Resize{80, 24}) {
		t.Errorf("size = %v, want 80x24", start.Size)
	}
}

func TestOneResetForAGap(t *testing.T) {
	b := New(Options{Lines: 10})
	b.Emit(Resize{80, 24})
	c, _ := b.Open(-1)
	write(t, b, "line 1\nline ")
	if item, err := c.Next(t.Context()); string(item.Data) != "line 1\nline " {
		t.Fatalf("got %q, %v", item.Data, err)
	}
	write(t, b, "2\n")
	b.Emit(Resize{90, 24})
	const last = 300_000
	for i := 3; i <= last; i++ {
		write(t, b, fmt.Sprintf("line %d\n", i))
	}
	b.Close()
	item, _, err := c.Poll()
	if err != nil || item.Reset == nil {
		t.Fatalf("Poll = %+v, %v; want a reset", item, err)
	}
	r := *item.Reset
	if r.Line != last-9 || r.SkippedLines != last-11 || r.SkippedBytes != r.Offset-12 || r.Size != (Resize{90, 24}) {
		t.Errorf("reset = %+v", r)
	}
	data, events := drain(t, c)
	if got := bytes.Count(data, newline); got != 10 || len(events) != 0 || !bytes.HasPrefix(data, fmt.Appendf(nil, "line %d\n", last-9)) {
		t.Errorf("after the reset: %d lines, %q", got, events)
	}
}

func TestResume(t *testing.T) {
	b := New(Options{Lines: 3})
	write(t, b, "a\nb\nc\nd\ne")
	b.Close()
	for _, tt := range []struct {
		epoch   string
		offset  int64
		resumed bool
		want    string
	}{
		{b.Epoch(), 4, true, "c\nd\ne"},
		{b.Epoch(), 7, true, "\ne"},
		{b.Epoch(), 9, true, ""},
		{b.Epoch(), 3, false, "c\nd\ne"},
		{b.Epoch(), 10, false, "c\nd\ne"},
		{b.Epoch(), -1, false, "c\nd\ne"},
		{"", 4, false, "c\nd\ne"},
		{New(Options{}).Epoch(), 4, false, "c\nd\ne"},
	} {
		c, start := b.Resume(tt.epoch, tt.offset, -1)
		data, _ := drain(t, c)
		if start.Resumed != tt.resumed || string(data) != tt.want {
			t.Errorf("Resume(%q, %d): resumed %v, %q; want %v, %q", tt.epoch, tt.offset, start.Resumed, data, tt.resumed, tt.want)
		}
		if want := int64(9 - len(tt.want)); start.Offset != want {
			t.Errorf("Resume(%q, %d) starts at %d, want %d", tt.epoch, tt.offset, start.Offset, want)
		}
	}
}

// A cursor can begin where others may still read, before what is kept.
func TestAtReachesBack(t *testing.T) {
	b := New(Options{Lines: 2})
	line := strings.Repeat("x", 999) + "\n"
	for range grace/len(line) + 200 {
		write(t, b, line)
	}
	b.Close()
	oldest := b.ring.oldest()
	for _, tt := range []struct {
		offset int64
		want   bool
	}{{oldest - 1, false}, {oldest, true}, {b.ring.start - 1, true}, {b.ring.end, true}, {b.ring.end + 1, false}} {
		c, start, ok := b.Snapshot().At(tt.offset)
		if ok != tt.want {
			t.Errorf("at %d: %v", tt.offset, ok)
		}
		if !ok {
			continue
		}
		if data, _ := drain(t, c); int64(len(data)) != b.ring.end-tt.offset || start.Offset != tt.offset || start.Line != tt.offset/1000+1 {
			t.Errorf("at %d: %+v, then %d bytes", tt.offset, start, len(data))
		}
	}
	if stamps := b.Snapshot().Stamps(b.ring.start); len(stamps) == 0 || stamps[0].Offset > b.ring.start {
		t.Errorf("stamps from %d: %v", b.ring.start, stamps)
	}
}

func TestStampsTellTheLinesTimes(t *testing.T) {
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

func TestMemoryIsTheRing(t *testing.T) {
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

// modelStart says, in the most obvious way, where the backlog of all begins.
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

// FuzzRing feeds a broadcaster and a model the same pieces, and compares the
// whole backlog, a part of it, and a resume after each.
func FuzzRing(f *testing.F) {
	f.Add([]byte("a\nbb\nccc\n\n\ndddd"), uint8(3), uint16(9), uint8(2))
	f.Add([]byte("äöü€𝄞\n\xff\xfe€"), uint8(200), uint16(5), uint8(1))
	f.Add(bytes.Repeat([]byte("0123456\n"), 200), uint8(4), uint16(1000), uint8(99))
	f.Fuzz(func(t *testing.T, in []byte, lines uint8, size uint16, step uint8) {
		in = in[:min(len(in), 2000)] // the model takes the square of it
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

// TestManyCursors lets readers of every speed follow a fast writer while others
// come, go and resume. Each checks each byte it gets by its offset.
func TestManyCursors(t *testing.T) {
	const total = 24 << 20
	at := func(i int64) byte { // the stream's byte at i: lines of 61 bytes
		if i%61 == 60 {
			return '\n'
		}
		return 'a' + byte((i*7+i/61)%26)
	}
	b := New(Options{Lines: 5000, Bytes: 256 << 10})
	var wg sync.WaitGroup
	reader := func(seed uint64) error {
		rng := rand.New(rand.NewPCG(seed, 1))
		c, start := b.Open(-1)
		offset := start.Offset
		for {
			item, err := c.Next(context.Background())
			switch {
			case err == io.EOF:
				if offset != total {
					return fmt.Errorf("ended at %d, want %d", offset, total)
				}
				return nil
			case err != nil:
				return err
			case item.Reset != nil:
				r := item.Reset
				if r.Offset-r.SkippedBytes != offset || r.Line != r.Offset/61+1 || r.SkippedLines != r.Offset/61-offset/61 {
					return fmt.Errorf("reset %+v at %d", *r, offset)
				}
				offset = r.Offset
			}
			for i, x := range item.Data {
				if x != at(offset+int64(i)) {
					return fmt.Errorf("wrong byte at %d", offset+int64(i))
				}
			}
			offset += int64(len(item.Data))
			switch rng.IntN(200) {
			case 0:
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			case 1:
				c, start = b.Resume(b.Epoch(), offset, -1)
				if !start.Resumed && start.Offset < offset {
					return fmt.Errorf("sent back from %d to %d", offset, start.Offset)
				}
				offset = start.Offset
			}
		}
	}
	for i := range 40 {
		wg.Go(func() {
			if err := reader(uint64(i)); err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 100_000)
	for done := int64(0); done < total; {
		n := min(int64(rng.IntN(len(p))), total-done)
		for i := range n {
			p[i] = at(done + i)
		}
		b.Write(p[:n])
		done += n
	}
	b.Close()
	wg.Wait()
}

func TestNextEndsWithItsContext(t *testing.T) {
	b := New(Options{})
	defer b.Close()
	c, _ := b.Open(-1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v, want context.Canceled", err)
	}
}
