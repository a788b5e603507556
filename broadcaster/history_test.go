package broadcaster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// past is a history of a slice, which has the stream's output from a place on.
type past struct {
	from   int64
	output []byte
	events []Event
}

func (p *past) Read(offset, passed int64) (Past, <-chan struct{}) {
	end := p.from + int64(len(p.output))
	if offset < p.from {
		return Past{Item: Item{Reset: &Start{Offset: p.from, Line: 1 + p.from/10}}}, nil
	}
	for _, e := range p.events {
		if e.Number > passed && e.Offset == offset {
			return Past{Item: Item{Event: e.Event}, Number: e.Number}, nil
		}
		if e.Number > passed && e.Offset > offset {
			end = min(end, e.Offset)
		}
	}
	if offset < end {
		return Past{Item: Item{Data: p.output[offset-p.from : min(end, offset+1000)-p.from]}}, nil
	}
	return Past{}, nil
}

func (p *past) At(offset int64) (Start, bool) {
	return Start{Offset: offset, Line: 1 + offset/10}, offset >= p.from && offset < p.from+int64(len(p.output))
}

// fill takes what the feed has.
func (p *past) fill(t *testing.T, f *Feed) (lost int64) {
	t.Helper()
	f.hurry()
	for {
		portion, ok, err := f.take(1 << 20)
		if !ok || err != nil {
			return lost
		}
		if portion.LostBytes > 0 {
			*p = past{from: portion.Offset}
			lost += portion.LostBytes
		}
		if want := p.from + int64(len(p.output)); portion.Offset != want || portion.Line != 1+want/10 {
			t.Fatalf("a portion at %d, line %d; want it at %d", portion.Offset, portion.Line, want)
		}
		p.output = append(p.output, portion.Data...)
		p.events = append(p.events, portion.Events...)
		f.Keep(f.offset)
	}
}

// tens returns n lines of 10 bytes.
func tens(n int) string { return strings.Repeat("123456789\n", n) }

func TestPollIsBehind(t *testing.T) {
	b := New(Options{Lines: 100})
	h := &past{}
	b.SetHistory(h)
	f := b.Feed()
	first, _ := b.Open(-1)
	write(t, b, tens(10))
	b.Emit(Resize{1, 1})
	for i := range 400 {
		write(t, b, tens(1000))
		if i == 200 {
			b.Emit(Resize{2, 2})
		}
		b.Flush()
		if lost := h.fill(t, f); lost > 0 {
			t.Fatalf("%d bytes lost", lost)
		}
	}
	b.Emit(Resize{3, 3})
	b.Close()
	if _, _, err := first.Poll(); !errors.Is(err, ErrBehind) {
		t.Fatalf("Poll: %v", err)
	}
	middle, start, ok := b.Past(1005)
	if !ok || start.Line != 101 || start.End != b.Stats().End {
		t.Errorf("Past: %+v, %v", start, ok)
	}
	for _, tt := range []struct {
		c      *Cursor
		from   int
		events string
	}{{first, 0, "[100: {1 1} 2010100: {2 2} 4000100: {3 3}]"}, {middle, 1005, "[2010100: {2 2} 4000100: {3 3}]"}} {
		at, events := tt.from, []string{}
		for {
			item, err := tt.c.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil || item.Reset != nil {
				t.Fatalf("at %d: %+v, %v", at, item.Reset, err)
			}
			if item.Event != nil {
				events = append(events, fmt.Sprintf("%d: %v", at, item.Event))
			}
			at += len(item.Data)
		}
		if fmt.Sprint(events) != tt.events || at != 4_000_100 || tt.c.line != 400_010 {
			t.Errorf("ended at %d, in line %d; events %v, want %v", at, tt.c.line, events, tt.events)
		}
	}
}

// A place that the history has lost makes a reset to where the history continues, or to the ring if
// the history has nothing.
func TestResetToHistory(t *testing.T) {
	b := New(Options{Lines: 100})
	h := &past{}
	b.SetHistory(h)
	f := b.Feed()
	c, _ := b.Open(-1)
	other, _ := b.Open(-1)
	for range 400 {
		write(t, b, tens(1000))
		b.Flush()
		h.fill(t, f)
	}
	h.output, h.from = h.output[5000:], 5000
	item, _, err := c.PollHistory()
	if want := (Start{Offset: 5000, Line: 501, SkippedBytes: 5000, SkippedLines: 500, End: 4_000_000, Past: true}); err != nil || item.Reset == nil ||
		fmt.Sprint(*item.Reset) != fmt.Sprint(want) {
		t.Errorf("reset %+v, %v", item.Reset, err)
	}
	if item, _, _ = c.PollHistory(); len(item.Data) != 1000 || c.Offset() != 6000 {
		t.Errorf("after the reset: %d bytes, at %d", len(item.Data), c.Offset())
	}
	*h = past{}
	item, _, err = other.PollHistory()
	if start := b.Stats().Start; err != nil || item.Reset == nil || item.Reset.Offset != start || item.Reset.SkippedBytes != start {
		t.Errorf("without a history: reset %+v, %v", item.Reset, err)
	}
}

// The ring keeps what the feed doesn't have, up to a limit, and not a byte more.
func TestRingWaitsForFeed(t *testing.T) {
	b := New(Options{Lines: 1000})
	h := &past{}
	b.SetHistory(h)
	f := b.Feed()
	c, _ := b.Open(-1)
	for range maxBehind / 10_000 {
		write(t, b, tens(1000))
	}
	b.Flush()
	if _, _, err := c.Poll(); err != nil {
		t.Errorf("Poll, while the ring keeps everything for the feed: %v", err)
	}
	if lost := h.fill(t, f); lost > 0 || len(h.output) < maxBehind-10_000-feedBytes {
		t.Errorf("the feed has lost %d bytes, and got %d", lost, len(h.output))
	}
	write(t, b, tens(1000))
	b.Flush()
	if held := b.ring.end - b.ring.oldest(); held > grace+10_000+2*blockSize {
		t.Errorf("the ring still holds %d bytes", held)
	}
	for range 2 * maxBehind / 10_000 {
		write(t, b, tens(1000))
	}
	b.Flush()
	if held := b.ring.end - b.ring.oldest(); held > maxBehind+grace+10_000+2*blockSize {
		t.Errorf("the ring holds %d bytes for a feed that doesn't read", held)
	}
	had := int64(len(h.output))
	if lost, start := h.fill(t, f), b.Stats().Start; lost != start-had {
		t.Errorf("%d bytes lost, want %d", lost, start-had)
	}
	f.Close()
	write(t, b, tens(1000))
	b.Flush()
	if held := b.ring.end - b.ring.oldest(); held > grace+10_000+2*blockSize {
		t.Errorf("the ring holds %d bytes for a closed feed", held)
	}
}

// A feed leaves the end of a burst in the ring for a while.
func TestFeedLags(t *testing.T) {
	b := New(Options{Lines: 1000})
	b.SetHistory(&past{})
	f := b.Feed()
	for range (feedLag + maxBehind) / 2 / 10_000 {
		write(t, b, tens(1000))
	}
	b.Flush()
	for {
		p, ok, err := f.take(1 << 20)
		if err != nil || p.LostBytes > 0 {
			t.Fatalf("%d bytes lost, %v", p.LostBytes, err)
		}
		if !ok {
			break
		}
	}
	if left := b.ring.end - f.offset; left >= feedLag || left < feedLag-1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	if !f.wait() || f.news() {
		t.Error("the feed doesn't wait for the rest")
	}
	if f.hurry(); !f.news() {
		t.Error("the rest is not due")
	}
	for offset := f.offset; offset < b.ring.end-feedBytes; offset = f.offset {
		if p, err := f.Next(t.Context(), 1<<20); err != nil || p.Offset != offset {
			t.Fatalf("%d, %v, want %d", p.Offset, err, offset)
		}
	}
}

// A feed has nothing before the ring is half full, and then everything.
func TestFeedBeginsWhenRingIsHalfFull(t *testing.T) {
	for _, o := range []Options{{Lines: 1000, Bytes: 1 << 30}, {Lines: 1 << 30, Bytes: 10_000}} {
		b := New(o)
		b.SetHistory(&past{})
		f := b.Feed()
		write(t, b, tens(499))
		b.Flush()
		if _, ok, err := f.take(1); ok || err != nil {
			t.Errorf("%+v: something, or %v", o, err)
		}
		write(t, b, tens(7000))
		b.Flush()
		p, err := f.Next(t.Context(), 100)
		if err != nil || !bytes.Equal(p.Data, []byte(tens(10))) || p.Offset != 0 || p.Line != 1 || !p.Begins || len(p.Stamps) == 0 || p.Stamps[0].Offset != 0 {
			t.Errorf("%+v: %+v, %v", o, p, err)
		}
		b.Close()
		n := len(p.Data)
		for err == nil {
			p, err = f.Next(t.Context(), 1<<20)
			n += len(p.Data)
		}
		if err != io.EOF || n != 74_990 {
			t.Errorf("%+v: %d bytes, then %v", o, n, err)
		}
		short := New(o)
		short.SetHistory(&past{})
		f = short.Feed()
		write(t, short, tens(1))
		short.Close()
		if _, err := f.Next(t.Context(), 1); err != io.EOF {
			t.Errorf("%+v: %v after little output", o, err)
		}
	}
}

// A history need not keep every event. A cursor that comes back from it passes those that the ring still has.
func TestCursorPassesEventsBeforeIt(t *testing.T) {
	b := New(Options{})
	write(t, b, tens(1))
	b.Emit("not in the history")
	write(t, b, tens(1))
	b.Close()
	c := &Cursor{b: b, offset: 15, line: 1}
	if data, events := drain(t, c); string(data) != "6789\n"[:len(data)] || len(data) != 5 || len(events) > 0 {
		t.Errorf("%q, %v", data, events)
	}
}
