package broadcaster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestEventsKeepTheirOrder(t *testing.T) {
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
	joiner, start := b.Open(1)
	if start.Size != (Resize{100, 24}) {
		t.Errorf("size at the second line = %v, want 100x24", start.Size)
	}
	if data, events := drain(t, joiner); string(data) != "two\n" || !slices.Equal(events, []string{"4: {110 24}", "4: {3  0s}"}) {
		t.Errorf("joiner: %q, %q", data, events)
	}
	last, start := b.Resume(b.Epoch(), 8, -1)
	if !start.Resumed || start.Size != (Resize{110, 24}) {
		t.Errorf("resumed at the end: %+v", start)
	}
	if data, events := drain(t, last); len(data) != 0 || !slices.Equal(events, []string{"0: {110 24}", "0: {3  0s}"}) {
		t.Errorf("at the end: %q, %q; want the size and the exit again", data, events)
	}
}

// A reader gets no events from before its first byte.
func TestOpenSkipsEarlierEvents(t *testing.T) {
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
		t.Errorf("%d events kept, want 1", len(b.ring.events))
	}
	if _, start := b.Open(-1); start.Size != (Resize{80, 24}) {
		t.Errorf("size = %v, want 80x24", start.Size)
	}
}
