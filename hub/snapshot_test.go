package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// The start after a gap puts the terminal into the right state, and says how much is missing.
func TestReopenAfterGap(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 10})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	for _, program := range []bool{false, true} {
		v := &viewer{hub: b.hub, v1: true}
		_, gap := b.Open(-1)
		if program {
			b.Write([]byte("\x1b[?1049h\x1b[Hhello\x1b[K"))
			b.followed()
		} else {
			b.Write([]byte("\x1b[35m" + strings.Repeat("line\r\n", 100)))
			b.followed()
			_, gap = b.Open(-1)
		}
		gap.SkippedBytes, gap.SkippedLines = gap.Offset-3, gap.Line-1
		s := v.hub.joins.reopen(gap, true)
		cursor, start := s.cursor, s.start
		if program {
			text, _ := shown(t, string(s.prelude))
			if text != "hello\n" || start.Offset != b.Stats().End || start.SkippedLines != 0 || s.kept.Line != 1 || s.kept.Offset != 0 {
				t.Errorf("in a program: %q, %+v, %+v", text, start, s.kept)
			}
			continue
		}
		item, err := cursor.Next(context.Background())
		if string(s.prelude) != "\x1b[0;35m" || start.SkippedLines != 90 || start.SkippedBytes != 5+90*6-3 || len(item.Data) != 10*6 || err != nil {
			t.Errorf("after a gap: %q, %+v, then %q", s.prelude, start, item.Data)
		}
	}
}

// A plain viewer that fell out of the ring isn't told, but gets the colors.
func TestPlainViewerAfterGap(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 10})
	c := b.dialSlow()
	b.Write([]byte("begin\n"))
	wait.For(t, wait.Patience, "the viewer has not joined", func() bool { return b.sessions.Tallies()[FormPlain].Now == 1 })
	b.Write([]byte("\x1b[35m"))
	b.followed()
	for range 200 {
		b.Write([]byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)))
	}
	b.followed()
	b.end(0)
	r, _ := watch.Viewer(c, -1)
	all := r.Data
	at := bytes.LastIndex(all, []byte("\x1b[0;35m"))
	if at < 0 || len(all) > 100_000*200 || !bytes.HasSuffix(all, []byte("x\n")) || all[at+7] != 'x' {
		t.Errorf("%d bytes, the colors at %d", len(all), at)
	}
}

// A joining viewer gets the last 4,096 times of the lines that it gets. Viewers that join at the
// same moment share them.
func TestJoinTimesAreBoundedAndShared(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 10_000})
	const chunks = 6000
	begin := time.UnixMilli(1_700_000_000_000)
	for n := range chunks {
		b.Publish(fmt.Appendf(nil, "line %d\r\n", n), begin.Add(time.Duration(n)*time.Millisecond))
	}
	b.followed()
	_, hello := b.join("")
	if n := len(hello.Times); n != maxTimes || hello.Line != 1 {
		t.Fatalf("%d times from line %d, want %d from line 1", n, hello.Line, maxTimes)
	}
	first, last := hello.Times[0], hello.Times[maxTimes-1]
	wantLast := [2]int64{b.Stats().End - int64(len("line 5999\r\n")), begin.UnixMilli() + chunks - 1}
	if last != wantLast || first[1] != wantLast[1]-maxTimes+1 {
		t.Errorf("times from %v to %v", first, last)
	}
	if _, hello = b.join("?n=10"); len(hello.Times) != 10 {
		t.Errorf("n=10: %d times", len(hello.Times))
	}
	all := Position{Lines: -1, Offset: -1}
	one, other := b.hub.joins.open(all, true), b.hub.joins.open(all, true)
	if &one.times[0] != &other.times[0] || &one.quoted[0] != &other.quoted[0] {
		t.Error("two viewers that join at the same moment do not share their encoded start")
	}
	if plain := b.hub.joins.open(all, false); plain.times != nil {
		t.Error("times are encoded for a viewer that gets none")
	}
	b.Publish([]byte("more\r\n"), begin.Add(time.Hour))
	if later := b.hub.joins.open(all, true); !bytes.HasSuffix(later.times, fmt.Appendf(nil, ",%d]", begin.Add(time.Hour).UnixMilli())) {
		t.Errorf("times end with %s", later.times[len(later.times)-40:])
	}
}

// Everything that a joining viewer gets is from one moment, whatever is written meanwhile.
func TestSnapshotIsConsistent(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 500})
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				b.Publish(fmt.Appendf(nil, "%099d\n", n), time.UnixMilli(int64(n)))
			}
		}
	})
	defer flood.Wait()
	defer close(stop)
	for range 300 {
		s := b.hub.joins.open(Position{Lines: 100, Offset: -1}, true)
		var times [][2]int64
		if err := json.Unmarshal(slices.Concat([]byte("["), s.times, []byte("]")), &times); err != nil {
			t.Fatal(err)
		}
		lines := (s.start.End - s.start.Offset) / 100
		n := s.start.Offset / 100 // the first line's number, and its time
		if s.start.Line != n+1 || int64(len(times)) != lines || lines > 0 && (times[0] != [2]int64{s.start.Offset, n}) {
			t.Fatalf("from %d to %d in line %d, %d times from %v", s.start.Offset, s.start.End, s.start.Line, len(times), times[:min(len(times), 1)])
		}
	}
}
