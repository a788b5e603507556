package hub

import (
	"strings"
	"testing"

	"wsrun/broadcaster"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// No backlog begins inside a control sequence, even if the ring does and the line is long.
func TestBacklogNeverBeginsInSequence(t *testing.T) {
	sequence := "\x1b[38;2;100;200;30m"
	for extra := range len(sequence) + 1 {
		b := serve(t, broadcaster.Options{Bytes: 100 + extra})
		b.Write([]byte(strings.Repeat("x", 1000) + sequence + strings.Repeat("y", 100)))
		b.followed()
		c, hello := b.join("")
		m, err := c.Next(t.Context())
		got := hello.Prelude + string(m.Payload)
		if want := sequenceOnce(got); err != nil || !want || !strings.HasSuffix(got, strings.Repeat("y", 100)) {
			t.Errorf("%d more: %q %q, %v", extra, hello.Prelude, m.Payload, err)
		}
	}
}

// sequenceOnce reports whether s sets the color exactly once, in either of its two forms.
func sequenceOnce(s string) bool {
	return strings.Count(s, "\x1b[38;2;100;200;30m")+strings.Count(s, "\x1b[0;38;2;100;200;30m") == 1 && strings.Count(s, "38") == 1
}

// No viewer begins inside a character, even if one of its bytes is a C1 control character.
func TestJoinNeverBeginsInCharacter(t *testing.T) {
	for _, char := range []string{"©", "€", "😀"} {
		for n := 1; n < len(char); n++ {
			b := serve(t, broadcaster.Options{})
			b.Write([]byte("price: \x1b[1m" + char[:n]))
			b.followed()
			c, hello := b.join("?n=0")
			b.Write([]byte(char[n:] + " x\r\n"))
			b.end(0)
			r, err := watch.Viewer(c, -1)
			if hello.Prelude != "\x1b[0;1m" || string(r.Data) != char+" x\r\n" || err != nil {
				t.Errorf("%q: %q, then %q, %v", char[:n], hello.Prelude, r.Data, err)
			}
		}
	}
}

// A viewer that joins while a control sequence is incomplete gets the sequence's first part in its
// prelude.
func TestJoinInsideSequence(t *testing.T) {
	for _, tt := range []struct{ before, after string }{
		{"one\r\n\x1b", "[31mred\r\n"},
		{"one\r\n\x1b[3", "1mred\r\n"},
		{"one\r\n\x1b]0;tit", "le\atext\r\n"},
		{"one\r\n\x1b_" + strings.Repeat("x", 6000), "y\x1b\\text\r\n"},
		{"one\r\n\x1b[?1049h\x1b[Hhello\x1b[3", "1mred\x1b[?1049l\x1b[mback\r\n"},
	} {
		b := serve(t, broadcaster.Options{})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(tt.before))
		b.followed()
		c, hello := b.join("?n=0")
		plain := b.dial("?n=0")
		wait.For(t, wait.Patience, "the plain viewer has not joined", func() bool { return b.sessions.Tallies()[formOf(false)].Now == 1 })
		b.Write([]byte(tt.after))
		b.end(0)
		r, err := watch.Viewer(c, -1)
		_, want := shown(t, tt.before+tt.after)
		if _, got := shown(t, hello.Prelude+string(r.Data)); got != want || err != nil || !strings.HasSuffix(string(r.Data), tt.after) {
			t.Errorf("%.20q: %q, then %q, %v", tt.before, hello.Prelude, r.Data, err)
		}
		all, _ := watch.Viewer(plain, -1)
		if _, got := shown(t, string(all.Data)); got != want {
			t.Errorf("%.20q: plain %q", tt.before, all.Data)
		}
	}
}
