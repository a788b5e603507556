package hub

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// A viewer that joins while a program fills the screen gets all lines before it, however many, and a
// viewer that asks for n of them gets those.
func TestJoinSendsManyLines(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	var lines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, "\x1b[3%dmline %d: \"ä€𝄞\" \\ \u2028 \xff\xe2\x82\x1b[m\r\n", i%8, i)
	}
	b.Write([]byte(lines.String() + "\x1b[?1049h\x1b[Hhello\x1b[K"))
	b.followed()
	all := string(drawn([]byte(lines.String())))
	for _, n := range []int{-1, 0, 1, 17, 3000, 20_000, 30_000} {
		query, want := "", all
		if n >= 0 {
			query = fmt.Sprint("?n=", n)
			split := strings.SplitAfter(all, "\n")
			want = strings.Join(split[max(len(split)-1-n, 0):], "")
		}
		_, hello := b.join(query)
		if kept := hello.Kept.Of(hello.Prelude); kept != want || hello.Kept.Line != int64(20_001-strings.Count(want, "\n")) {
			t.Errorf("n=%d: %d bytes from line %d, want %d", n, len(kept), hello.Kept.Line, len(want))
		}
		if text, _ := shown(t, hello.Prelude); !strings.HasPrefix(text, "hello") {
			t.Errorf("n=%d: the screen shows %q", n, text)
		}
	}
	plain := b.dial("")
	got := 0
	for got < len(all) {
		m, err := plain.Next(t.Context())
		if err != nil || len(m.Payload) > 64<<10 {
			t.Fatalf("a message of %d bytes, %v", len(m.Payload), err)
		}
		got += len(m.Payload)
	}
}

// Lines that are kept although the ring has dropped them are never given up, however far the ring is.
func TestJoinSendsKeptLines(t *testing.T) {
	b := serve(t, broadcaster.Options{Bytes: 128 << 10})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	lines := strings.Repeat("a line before the program\r\n", 2000)
	b.Write([]byte(lines + "\x1b[?1049h\x1b[H"))
	b.followed()
	for range 20 {
		b.Write([]byte(strings.Repeat("\x1b[Hhello", 2000)))
		b.followed()
	}
	if _, hello := b.join(""); hello.Kept.Of(hello.Prelude) != lines {
		t.Errorf("wsrun.v1: %d bytes of lines, want %d", len(hello.Kept.Of(hello.Prelude)), len(lines))
	}
	plain, got := b.dial(""), []byte{}
	for !bytes.Contains(got, []byte("hello")) {
		m, err := plain.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Payload...)
	}
	if !bytes.HasPrefix(got, []byte(lines)) {
		t.Errorf("plain: %d bytes that don't begin with the lines", len(got))
	}
}

// FuzzDrawnPieces compares text that is drawn and quoted in pieces with the same text at once.
func FuzzDrawnPieces(f *testing.F) {
	f.Add([]byte("ä€𝄞\xff\"\\\n\x1b\u2028"), uint16(2000), 3)
	f.Add([]byte("\xe2\x82"), uint16(9), 1)
	f.Fuzz(func(t *testing.T, piece []byte, times uint16, size int) {
		if len(piece) > 100 || size < 1 {
			return
		}
		text := bytes.Repeat(piece, int(times)%5000+1)
		var pieces, quoted []byte
		for p := range drawnPieces(slices.Chunk(text, size)) {
			pieces = append(pieces, p...)
			quoted = protocol.AppendQuoted(quoted, p)
		}
		if !bytes.Equal(pieces, drawn(text)) || !bytes.Equal(slices.Concat([]byte(`"`), quoted, []byte(`"`)), quote(text)) {
			t.Fatalf("%d bytes differ", len(text))
		}
	})
}

// FuzzLastLines compares the last lines of a text in parts with those of the whole text.
func FuzzLastLines(f *testing.F) {
	f.Add([]byte("a\n\nb\nc"), 2, 2)
	f.Add([]byte("\n\n\n"), 1, 2)
	f.Fuzz(func(t *testing.T, text []byte, n, size int) {
		if size < 1 {
			return
		}
		want := bytes.SplitAfter(text, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		if n >= 0 {
			want = want[max(len(want)-n, 0):]
		}
		got := bytes.Join(lastLines(slices.Collect(slices.Chunk(text, size)), n), nil)
		if !bytes.Equal(got, bytes.Join(want, nil)) {
			t.Fatalf("the last %d lines of %q are %q", n, text, got)
		}
	})
}
