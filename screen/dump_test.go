package screen

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// The dump of a screen makes another screen show the same.
func TestDumpRoundTrip(t *testing.T) {
	for seed := range uint64(500) {
		in := "\x1b[?1049h" + string(random(rand.New(rand.NewPCG(seed, 3))))
		s := screenOf(t, in, len(in))
		if !s.Full() || s.cleared {
			continue
		}
		p := s.Picture()
		again := screenOf(t, string(p.Before.Append(nil))+string(p.Prelude)+in[p.To:], 7)
		q := again.Picture()
		if !again.Full() || !bytes.Equal(p.Text, q.Text) {
			t.Errorf("%q:\n%s, then\n%s\nby %q", in, p.Text, q.Text, p.Prelude)
		}
		a, b := s.state, again.state
		a.bufs, b.bufs = [2]buf{}, [2]buf{}
		if a != b {
			t.Errorf("%q: %+v, then %+v", in, a, b)
		}
		if s.state.modes&originMode != 0 {
			continue // a restored cursor may be where no sequence can move it
		}
		if x, y := s.picture.CursorPosition(), again.picture.CursorPosition(); x != y {
			t.Errorf("%q: cursor at %v, then %v, by %q", in, x, y, p.Prelude)
		}
		if t.Failed() {
			return
		}
	}
}

func TestDumpLeavesCursor(t *testing.T) {
	for _, tt := range []struct {
		in      string
		pending bool // the next character will go to the start of the next row
	}{
		{"\x1b[3;20Hx", true},
		{"\x1b[3;20Hx\x1b[K", true},
		{"\x1b[3;20Hx\x1b[2J", true},
		{"\x1b[3;20Hx\x1b[M", false},
		{"\x1b[3;20Hx\x1b[L", false},
		{"\x1b[2;3H\x1b7\x1b[3;20Hx\x1b8", false},
		{"\x1b[2;20H\x1b7\x1b[3;20Hx\x1b8", false},
	} {
		s := screenOf(t, "\x1b[?1049h\x1b[H"+tt.in, 100)
		s.picture.flush()
		p := s.Picture()
		again := screenOf(t, string(p.Before.Append(nil))+string(p.Prelude), 100)
		again.picture.flush()
		if x, y := s.picture.CursorPosition(), again.picture.CursorPosition(); x != y || s.picture.Pending() != tt.pending ||
			again.picture.Pending() != tt.pending {
			t.Errorf("%q: cursor at %v, %v; by %q at %v, %v", tt.in, x, s.picture.Pending(), p.Prelude, y, again.picture.Pending())
		}
	}
}

func TestTextIncludesHeldCharacter(t *testing.T) {
	full := strings.Repeat("x", 20)
	for _, tt := range []struct{ in, text string }{
		{full + "漢", full + "\n漢\n"},
		{full + "e\u0301", full + "\ne\u0301\n"},
		{"漢字\x1b[H漢", "漢字\n"},
		{"漢字\x1b[Ha", "a 字\n"},
		{"abc\x1b[H漢", "漢c\n"},
		{"1\x1b[5;1H" + full + "y", strings.Repeat("\n", 3) + full + "\ny\n"},
		{"1\x1b[2;3r\x1b[2;1H2\x1b[3;1H" + full + "y", "1\n" + full + "\ny\n"},
		{"\x1b[?7l" + full + "y", full[1:] + "y\n"},
		{full[1:] + "漢", full[1:] + "\n漢\n"},
	} {
		s := screenOf(t, "\x1b[?1049h\x1b[H"+tt.in, 100)
		if got := string(s.Picture().Text); got != tt.text {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.text)
		}
		s.picture.flush()
		if got := string(s.picture.appendText(nil, &s.state)); got != tt.text {
			t.Errorf("%q: %q when drawn", tt.in, got)
		}
	}
}
