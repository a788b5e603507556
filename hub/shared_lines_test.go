package hub

import (
	"iter"
	"strings"
	"testing"

	"wsrun/broadcaster"
)

// Readers of lines from before a program can take their time, until the ring has dropped as much after the
// lines as they are long. Then nothing holds them any more.
func TestLinesAreGivenUp(t *testing.T) {
	b := serve(t, broadcaster.Options{Bytes: 4 << 20, Lines: 1 << 20})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	const count = 100_000
	line := strings.Repeat("x", 30) + "\r\n"
	b.Write([]byte(strings.Repeat(line, count) + "\x1b[?1049h"))
	b.followed()
	var readers []Lines
	for _, n := range []int{-1, 1000} {
		readers = append(readers, b.hub.BeginText(Position{Lines: n, Offset: -1}, false).Before)
	}
	draw := func(megabytes int) {
		for range 4 * megabytes {
			b.Write([]byte(strings.Repeat("\x1b[H0123456789", 20_000)))
			b.followed()
		}
	}
	slow, stop := iter.Pull(readers[0].Pieces(1000))
	defer stop()
	slow()
	draw(5)
	for i, want := range []int{count, 1000} {
		got := 0
		for piece := range readers[i].Pieces(1000) {
			got += strings.Count(string(piece), "\n")
		}
		if l := readers[i]; got != want || l.Newlines != int64(want) {
			t.Errorf("%d lines of %d, want %d", got, l.Newlines, want)
		}
	}
	if _, ok := slow(); !ok {
		t.Error("a slow reader's lines are gone too early")
	}
	draw(4)
	if _, ok := slow(); ok || b.hub.joins.former.Load() != nil {
		t.Error("the lines are still there")
	}
}
