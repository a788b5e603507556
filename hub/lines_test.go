package hub

import (
	"fmt"
	"strings"
	"testing"

	"wsrun/broadcaster"
)

// Kept lines begin at a line, or if there is only one at a character, and are complete from there.
func TestKeptLinesAreWhole(t *testing.T) {
	long := strings.Repeat("é", 30_000) + "\r\n"
	for _, tt := range []struct{ lines, want string }{
		{strings.Repeat("x", 8000) + "\r\n" + long + long, long},
		{strings.Repeat("grün €\r\n", 15_000), strings.Repeat("grün €\r\n", keptBytes/11)},
		{strings.Repeat("é", 50_000) + "x", strings.Repeat("é", keptBytes/2-1) + "x"},
		{"caf\xe9 \xe2\x82 noir\r\n", "caf  noir\r\n"},
	} {
		b := serve(t, broadcaster.Options{Bytes: 600})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(tt.lines + "\x1b[?1049h\x1b[Hhello"))
		b.followed()
		b.Write([]byte(strings.Repeat("\x1b[8;8H0123456789", 100)))
		b.followed()
		_, hello := b.join("")
		if kept := hello.Kept.Of(hello.Prelude); kept != tt.want {
			t.Errorf("%d bytes: kept %d: %.20q; want %d", len(tt.lines), len(kept), kept, len(tt.want))
		}
	}
}

// A plain viewer gets a replacement character for each invalid byte of kept lines.
func TestPlainViewerGetsKeptLines(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	b.Write([]byte("caf\xe9 noir\r\n\x1b[?1049h\x1b[Hhello"))
	b.followed()
	if m, err := b.dial("").Next(t.Context()); !strings.HasPrefix(string(m.Payload), "caf\uFFFD noir\r\n") {
		t.Errorf("plain: %q, %v", m.Payload, err)
	}
}

// While a program fills the screen, and later while the lines asked for begin before it, a viewer
// gets that many of the lines before the program, even if the ring has dropped them.
func TestLinesBeforeProgram(t *testing.T) {
	lines := []string{"one", "\x1b[32mtwo", "three"}
	for _, ring := range []int{1 << 20, 600} {
		b := serve(t, broadcaster.Options{Bytes: ring})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(strings.Join(lines, "\r\n") + "\r\n\x1b[?1049h\x1b[H"))
		b.followed()
		b.Write([]byte(strings.Repeat("\x1b[Hhello\r\n\x1b[2;1Hworld\r\n", 50)))
		b.followed()
		check := func(n string, last int) {
			t.Helper()
			want := strings.Join(lines[3-last:], "\r\n")
			if last > 0 {
				want += "\r\n"
			}
			_, hello := b.join("?n=" + n)
			if kept := hello.Kept.Of(hello.Prelude); kept != want {
				t.Errorf("ring %d, n=%s: kept %q, want %q", ring, n, kept, want)
			}
			if last > 0 && (hello.Kept.Line != int64(4-last) || hello.Times[0][0] > hello.Kept.Offset && ring > 600) {
				t.Errorf("ring %d, n=%s: %+v, times %v", ring, n, hello.Kept, hello.Times)
			}
			if !strings.Contains(hello.Prelude, "32m") {
				t.Errorf("ring %d, n=%s: %q", ring, n, hello.Prelude)
			}
		}
		for n := range 5 {
			check(fmt.Sprint(n), min(n, 3))
		}
		check("all", 3)
		b.Write([]byte("\x1b[?1049l"))
		b.followed()
		check("1", 1)
		b.Write([]byte("four\r\n$ "))
		b.followed()
		check("0", 0)
		check("1", 0)
		check("3", 1)
	}
}
