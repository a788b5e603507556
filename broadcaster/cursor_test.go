package broadcaster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// A new cursor can begin before the start, where existing cursors can still read.
func TestAtBeforeTheStart(t *testing.T) {
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

func TestNextStopsWithContext(t *testing.T) {
	b := New(Options{})
	defer b.Close()
	c, _ := b.Open(-1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v, want context.Canceled", err)
	}
}

// TestManyCursors lets readers of every speed follow a fast writer while some of them
// resume. Each reader checks every byte by its offset.
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
