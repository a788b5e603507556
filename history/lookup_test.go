package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/screen"
)

// A record is a stream that has ended, and what its history should say, found in the most obvious way.
type record struct {
	*stream
	output []byte
	starts []int64             // where lines begin
	stamps []broadcaster.Stamp // of chunks in which a line begins, if the time differs from the last one
	events []broadcaster.Event
}

// newRecord returns the record of a stream with a clock that is set back now and then. The output has colors,
// titles, links and long sequences, and lines of very different lengths.
func newRecord(t *testing.T, s *Store, rng *rand.Rand, size int) *record {
	r := &record{stream: follow(t, s, broadcaster.Options{Lines: 100, Bytes: 100_000})}
	ms, fresh := int64(1_700_000_000_000), true
	for len(r.output) < size {
		chunk := randomChunk(rng)
		at := int64(len(r.output))
		begins := false
		for i, c := range chunk {
			if fresh {
				r.starts, begins = append(r.starts, at+int64(i)), true
			}
			fresh = c == '\n'
		}
		if n := len(r.stamps); begins && (n == 0 || r.stamps[n-1].UnixMilli != ms) {
			r.stamps = append(r.stamps, broadcaster.Stamp{Offset: at, UnixMilli: ms})
		}
		r.Publish(chunk, time.UnixMilli(ms))
		r.output = append(r.output, chunk...)
		if rng.IntN(20) == 0 {
			var event any = fmt.Sprint("event ", rng.IntN(1000))
			if rng.IntN(2) == 0 {
				event = broadcaster.Resize{Cols: 10 + rng.IntN(200), Rows: 10 + rng.IntN(50)}
			}
			r.Emit(event)
			r.events = append(r.events, broadcaster.Event{Number: int64(len(r.events) + 1), Offset: int64(len(r.output)), Event: event})
		}
		if ms += rng.Int64N(30); rng.IntN(500) == 0 {
			ms -= rng.Int64N(3000)
		}
		if rng.IntN(50) == 0 {
			r.settle()
		}
	}
	r.end()
	return r
}

// randomChunk returns what a program may write at once.
func randomChunk(rng *rand.Rand) []byte {
	switch rng.IntN(60) {
	case 0:
		return []byte(strings.Repeat("x", rng.IntN(100_000)+1)) // a part of a long line
	case 1:
		return fmt.Appendf(nil, "\x1b]2;title %d\a", rng.IntN(100))
	case 2:
		return fmt.Appendf(nil, "\x1b]8;;http://%s\x1b\\link", strings.Repeat("y", rng.IntN(1000)))
	case 3:
		return []byte("\x1b]52;c;" + strings.Repeat("QUFB", rng.IntN(30_000))) // as from a program that copies
	case 4:
		return []byte("\x1b\\\x1b[?1049h\x1b[5;9r")
	case 5:
		return []byte("\x1b[?1049l\x1b[r\n")
	}
	var p []byte
	for range rng.IntN(20) {
		p = fmt.Appendf(p, "\x1b[%d;%dmäöü %0*d\r\n", rng.IntN(8), 30+rng.IntN(8), rng.IntN(100), 1)
	}
	return append(p, "\x1b[3"...) // continued by whatever follows
}

func TestLookups(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(4, seed))
		s := New(Options{Delay: time.Millisecond, Bytes: 64 << 20, Dirs: []string{t.TempDir()}, Report: func(err error) { t.Error(err) },
			Encode: func(event any) []byte { return []byte(event.(string)) }, Decode: func(p []byte) any { return string(p) }})
		defer s.Close()
		r := newRecord(t, s, rng, 12<<20)
		end := r.log.End()
		if end.Offset != int64(len(r.output)) {
			t.Fatalf("the history ends at %d of %d", end.Offset, len(r.output))
		}
		if first, ok := r.log.First(); !ok || first != (Place{0, 1}) {
			t.Errorf("First = %v, %v", first, ok)
		}
		var offsets []int64
		for range 500 {
			r.checkLines(t, rng)
			r.checkTimes(t, rng)
			offsets = append(offsets, rng.Int64N(int64(len(r.output))))
		}
		for _, e := range r.events[:len(r.events)-1] {
			offsets = append(offsets, e.Offset)
		}
		r.checkStates(t, offsets)
		r.checkEnds(t)
	}
}

func (r *record) checkLines(t *testing.T, rng *rand.Rand) {
	t.Helper()
	i := rng.IntN(len(r.starts))
	if got, err := r.log.Line(int64(i + 1)); err != nil || got != (Place{r.starts[i], int64(i + 1)}) {
		t.Fatalf("Line(%d) = %v, %v; want %d", i+1, got, err, r.starts[i])
	}
	offset := rng.Int64N(int64(len(r.output)))
	want := int64(sort.Search(len(r.starts), func(i int) bool { return r.starts[i] > offset }))
	if got, err := r.log.LineAt(offset); err != nil || got != want {
		t.Fatalf("LineAt(%d) = %d, %v; want %d", offset, got, err, want)
	}
	if p, err := r.log.Output(offset); err != nil || len(p) == 0 || len(p) > maxOutput || !bytes.HasPrefix(r.output[offset:], p) {
		t.Fatalf("Output(%d): %d bytes, %v", offset, len(p), err)
	}
	p := make([]byte, rng.IntN(300_000))
	n, err := r.log.ReadAt(p, offset)
	if rest := r.output[offset:]; !bytes.HasPrefix(rest, p[:n]) || n < min(len(p), len(rest)) || (err == nil) != (n == len(p)) || err != nil && err != ErrAhead {
		t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", len(p), offset, n, err)
	}
}

// checkStates compares the states at offsets with those of a terminal that gets all the output.
func (r *record) checkStates(t *testing.T, offsets []int64) {
	t.Helper()
	slices.Sort(offsets)
	var want screen.State
	var at int64
	var size broadcaster.Resize
	events := r.events
	for _, offset := range offsets {
		for len(events) > 0 && events[0].Offset <= offset {
			if to, ok := events[0].Event.(broadcaster.Resize); ok {
				at += int64(want.Scan(r.output[at:events[0].Offset]))
				want.Resize(to.Rows)
				size = to
			}
			events = events[1:]
		}
		at += int64(want.Scan(r.output[at:offset]))
		state, head, err := r.log.State(offset)
		// A sequence that the next byte aborts may belong to either side, so look at what follows, too.
		next := r.output[offset:min(offset+3, int64(len(r.output)))]
		got, expected := state, want
		n := got.Scan(append(bytes.Clone(head), next...)) - len(head)
		if m := expected.Scan(r.output[at:offset+int64(len(next))]) - int(offset-at); err != nil || got != expected || n != m {
			t.Fatalf("State(%d) = %q, %d bytes, %v; want %q, %d bytes", offset, state.Append(nil), len(head), err, want.Append(nil), offset-at)
		}
		if start, ok := r.log.At(offset); !ok || start.Size != size || start.Offset != offset {
			t.Fatalf("At(%d) = %+v, %v; want %v", offset, start, ok, size)
		}
	}
}

func (r *record) checkTimes(t *testing.T, rng *rand.Rand) {
	t.Helper()
	from := rng.Int64N(int64(len(r.output)))
	to := from + 1 + rng.Int64N(200_000)
	var got []broadcaster.Stamp
	for s, err := range r.log.Stamps(from, to) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	low := sort.Search(len(r.stamps), func(i int) bool { return r.stamps[i].Offset > from }) - 1
	high := sort.Search(len(r.stamps), func(i int) bool { return r.stamps[i].Offset >= to })
	if want := r.stamps[low:high]; !slices.Equal(got, want) {
		t.Fatalf("Stamps(%d, %d): %d, want %d\n%v\n%v", from, to, len(got), len(want), got, want)
	}
	events, err := r.log.Events(from, to)
	var want []broadcaster.Event
	for _, e := range r.events {
		if e.Offset >= from && e.Offset < to && e.Offset < int64(len(r.output)) {
			want = append(want, e)
		}
	}
	if err != nil || !slices.Equal(events, want) {
		t.Fatalf("Events(%d, %d) = %v, %v; want %v", from, to, events, err, want)
	}
	ms := r.stamps[0].UnixMilli + rng.Int64N(r.stamps[len(r.stamps)-1].UnixMilli-r.stamps[0].UnixMilli)
	place, err := r.log.Since(ms)
	for _, s := range r.stamps {
		if s.UnixMilli < ms {
			continue
		}
		i := sort.Search(len(r.starts), func(i int) bool { return r.starts[i] >= s.Offset })
		if err != nil || place != (Place{r.starts[i], int64(i + 1)}) {
			t.Fatalf("Since(%d) = %v, %v; want %d", ms, place, err, r.starts[i])
		}
		return
	}
}

// checkEnds looks beyond both ends.
func (r *record) checkEnds(t *testing.T) {
	t.Helper()
	for _, n := range []int64{-1 << 60, -1, 0, 1} {
		if got, err := r.log.Line(n); err != nil || got != (Place{0, 1}) {
			t.Errorf("Line(%d) = %v, %v", n, got, err)
		}
	}
	for _, n := range []int64{int64(len(r.starts)) + 2, 1 << 60} {
		if got, err := r.log.Line(n); err != ErrAhead {
			t.Errorf("Line(%d) = %v, %v", n, got, err)
		}
	}
	end := int64(len(r.output))
	for offset, want := range map[int64]error{-1: ErrGone, -1 << 60: ErrGone, end: ErrAhead, 1 << 60: ErrAhead} {
		_, output := r.log.Output(offset)
		_, line := r.log.LineAt(offset)
		_, _, state := r.log.State(offset)
		if output != want || line != want || state != want {
			t.Errorf("at %d: %v, %v, %v; want %v", offset, output, line, state, want)
		}
		if _, ok := r.log.At(offset); ok {
			t.Errorf("At(%d) is ok", offset)
		}
	}
	if got, err := r.log.Since(1 << 60); err != ErrAhead {
		t.Errorf("Since the end of time = %v, %v", got, err)
	}
	if got, err := r.log.Since(-1 << 60); err != nil || got != (Place{0, 1}) {
		t.Errorf("Since the beginning of time = %v, %v", got, err)
	}
}
