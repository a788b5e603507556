package broadcaster

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A stream that continues elsewhere has the same offsets, line numbers and times there, and
// readers can resume there.
func TestMirror(t *testing.T) {
	origin := New(Options{Lines: 50})
	published := time.UnixMilli(1_700_000_000_000)
	line := func(n int) string { return fmt.Sprintf("line %d\n", n) }
	for n := 1; n <= 100; n++ {
		if _, err := origin.Publish([]byte(line(n)), published.Add(time.Duration(n)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	origin.Publish([]byte("half"), published.Add(time.Hour)) // within line 101
	at := origin.Stats().End
	mirror := New(Options{Lines: 50, Epoch: origin.Epoch(), Offset: at, Line: 101})
	if st := mirror.Stats(); mirror.Epoch() != origin.Epoch() || st.Start != at || st.End != at || st.Line != 101 || st.Lines != 0 {
		t.Errorf("begins with %+v", st)
	}
	if _, start := mirror.Open(-1); start.Offset != at || start.Line != 101 {
		t.Errorf("opens at %+v", start)
	}
	for _, tt := range []struct {
		epoch   string
		offset  int64
		resumed bool
	}{{origin.Epoch(), at, true}, {origin.Epoch(), at - 1, false}, {origin.Epoch(), at + 1, false}, {"other", at, false}} {
		if _, start := mirror.Resume(tt.epoch, tt.offset, -1); start.Resumed != tt.resumed || start.Offset != at {
			t.Errorf("%+v: %+v", tt, start)
		}
	}
	cursor, _ := mirror.Resume(origin.Epoch(), at, -1)
	rest := " of it\n" + line(102)
	for _, b := range []*Broadcaster{origin, mirror} {
		b.Publish([]byte(rest), published.Add(2*time.Hour))
		b.Publish([]byte(strings.Repeat("x\n", 100)), published.Add(3*time.Hour))
	}
	if data, _ := drain(t, cursor); string(data) != rest+strings.Repeat("x\n", 100) {
		t.Errorf("reads %q", data)
	}
	want, got := origin.Stats(), mirror.Stats()
	if got.Start != want.Start || got.End != want.End || got.Line != want.Line || got.Lines != want.Lines {
		t.Errorf("%+v, want %+v", got, want)
	}
	_, start := origin.Open(1)
	if _, also := mirror.Open(1); also.Offset != start.Offset || also.Line != start.Line || fmt.Sprint(also.Stamps) != fmt.Sprint(start.Stamps) ||
		also.Stamps[0].UnixMilli != published.Add(3*time.Hour).UnixMilli() {
		t.Errorf("the last line is %+v, want %+v", also, start)
	}
}

// Output written before a Publish keeps its own time.
func TestPublishFlushes(t *testing.T) {
	b := New(Options{})
	write(t, b, "one\n")
	write(t, b, "two\n")
	b.Publish([]byte("three\n"), time.UnixMilli(5))
	if _, start := b.Open(1); len(start.Stamps) != 1 || start.Stamps[0] != (Stamp{8, 5}) {
		t.Errorf("%+v", start.Stamps)
	}
	if _, start := b.Open(-1); start.Stamps[0].UnixMilli == 5 {
		t.Errorf("the first line has the time of the third: %+v", start.Stamps)
	}
	b.Close()
	if _, err := b.Publish([]byte("x"), time.Now()); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}
