package screen

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestPicture(t *testing.T) {
	for _, tt := range []struct {
		name, in, text string
		from           int64
	}{
		{"nothing", "text\r\n", "", 0},
		{"alternate", "abc\r\n\x1b[?1049h\x1b[Hhello\x1b[3;5Hworld", "hello\n\n    world\n", 5},
		{"it has ended", "\x1b[?1049hhello\x1b[?1049l", "", 0},
		{"top", "abc\r\n\x1b[H\x1b[2Jtop\r\nrow\x1b[Htip", "tip\nrow\n", 5},
		{"top, the other way", "abc\x1b[2J\x1b[Htop\r\nrow\x1b[2;2Ha", "top\nraw\n", 3},
		{"clear", "abc\x1b[H\x1b[2J\x1b[3Jprompt", "", 0},
		{"line drawing", "\x1b[?1049h\x1b[H\x1b(0lqk\x1b(B", "┌─┐\n", 0},
		{"line drawing by shift", "\x1b[?1049h\x1b)0\x1b[H\x0elqk\x0fq", "┌─┐q\n", 0},
		{"wide", "\x1b[?1049h\x1b[H漢字\x1b[1;3Hx", "漢x\n", 0},
		{"wide at the edge", "\x1b[?1049h\x1b[1;19H漢x\x1b[3;20H漢y", strings.Repeat(" ", 18) + "漢\nx\n\n漢y\n", 0},
		{"wide at the edge, and back", "\x1b[?1049h\x1b[1;19H漢\x1b[31m\rx", "x" + strings.Repeat(" ", 17) + "漢\n", 0},
		{"marks", "\x1b[?1049h\x1b[He\u0301x👩\u200d💻y❤\ufe0fz", "e\u0301x👩\u200d💻y❤\ufe0fz\n", 0},
		{"next line", "\x1b[?1049h\x1b[Ha\x1bEb", "a\nb\n", 0},
		{"up by one", "\x1b[?1049h\x1b[2Jx\x1b[3;1H\x1b[Aa\x1b[0Ab", "xb\na\n", 0},
		{"no parameter is one", "\x1b[?1049h\x1b[Habc\x1b[D\x1b[P\x1b[D\x1b[@", "a b\n", 0},
		{"erased behind the last column", "\x1b[?1049h\x1b[H" + strings.Repeat("x", 20) + "\x1b[K", strings.Repeat("x", 20) + "\n", 0},
	} {
		for n := 1; n < 9; n++ {
			s := screenOf(t, tt.in, n)
			full := s.Full()
			p := s.Picture()
			if full != (tt.text != "") || string(p.Text) != tt.text || full && p.From != tt.from {
				t.Errorf("%s, in pieces of %d: full %v, from %d, %q", tt.name, n, full, p.From, p.Text)
			}
			if full && p.To+int64(len(s.picture.held)) > int64(len(tt.in)) {
				t.Errorf("%s: to %d of %d", tt.name, p.To, len(tt.in))
			}
		}
	}
}

func TestErasingUsesBackground(t *testing.T) {
	for _, in := range []string{"\x1b[42m\x1b[?47h", "\x1b[?1049h\x1b[3;4H\x1b[42m\x1b[2J", "\x1b[42m\x1b[H\x1b[2J"} {
		s := screenOf(t, in, 100)
		for _, at := range [][2]int{{0, 0}, {19, 0}, {3, 2}, {19, 4}} {
			if c := s.picture.at(at[0], at[1]); penOf(&c.Style) != (pen{bg: indexed | 2}) {
				t.Errorf("%q: %+v at %v", in, penOf(&c.Style), at)
			}
		}
	}
}

// However many links there were, those that are visible are kept.
func TestManyLinks(t *testing.T) {
	s := screenOf(t, "\x1b[?1049h\x1b[2;1H\x1b]8;;http://first\ax", 100)
	for i := range 3 * maxLinks {
		fmt.Fprintf(s, "\x1b[H\x1b]8;;http://%d\ax", i)
	}
	s.Write([]byte("\x1b]8;;\a"))
	p := s.Picture()
	if last := fmt.Sprintf("http://%d\x1b", 3*maxLinks-1); !bytes.Contains(p.Prelude, []byte("http://first\x1b")) ||
		!bytes.Contains(p.Prelude, []byte(last)) {
		t.Errorf("%q", p.Prelude)
	}
	if len(s.picture.links) > maxLinks {
		t.Errorf("%d links are kept", len(s.picture.links))
	}
}

// A run of characters beyond ASCII, such as a border, is drawn completely, however long it
// is and wherever it is cut.
func TestLongRuns(t *testing.T) {
	for _, char := range []string{"─", "é", "😀"} {
		run := strings.Repeat(char, 200)
		for n := 1; n <= len(char)*200; n += 1 + n/3 {
			s := New()
			defer s.Close()
			s.Resize(500, 3)
			for p := "\x1b[?1049h\x1b[H" + run; len(p) > 0; p = p[min(n, len(p)):] {
				fmt.Fprint(s, p[:min(n, len(p))])
			}
			if got := string(s.Picture().Text); got != run+"\n" {
				t.Errorf("%s in pieces of %d: %d of them, %q", char, n, strings.Count(got, char), got)
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		cols, rows int
		full       bool
	}{
		{0, 0, false}, {0, 24, false}, {80, 0, false}, {-1, -1, false}, {1, 1, true}, {2, 1, true}, {1, 50, true},
		{512, 256, true}, {512, 257, false}, {65535, 65535, false}, {math.MaxInt, math.MaxInt, false},
	} {
		in := "\x1b[?1049h\x1b[Hab漢\x1b[2;1Hc\x1b[3b\x1b[L\x1b[M\x1b[S\x1b[T\x1bM\x1b[@\x1b[P\x1b[X\x1b[2;9r\t\x1b[Z\x1b[Hx"
		for _, resized := range []bool{false, true} {
			s := New()
			defer s.Close()
			s.Resize(tt.cols, tt.rows)
			if resized {
				s.Resize(10, 5)
			}
			fmt.Fprint(s, in)
			s.Resize(tt.cols, tt.rows)
			fmt.Fprint(s, in[8:])
			if got := s.Picture(); s.Full() != tt.full || tt.full && !bytes.HasPrefix(got.Text, []byte("x")) {
				t.Errorf("%dx%d, resized %v: full %v, %d failures, %.20q", tt.cols, tt.rows, resized, s.Full(), s.Failures(), got.Text)
			}
		}
	}
}

// A cursor beyond the last column is in a column of a wider terminal.
func TestResizeWithPendingWrap(t *testing.T) {
	for _, in := range []string{"\x1b[2;20Hx", "\x1b[2;19H漢", "\x1b[2;20Hx\x1b[31m", "\x1b[2;20Hx\x1b[K",
		"\x1b[?7l\x1b[2;18Hxyz\x1b[?7h", "\x1b[?7l\x1b[2;17Hwxyz\x1b[m"} {
		s := screenOf(t, "\x1b[?1049h"+in, 100)
		s.Resize(30, 5)
		fmt.Fprint(s, "y\x1b[m")
		if at := s.picture.CursorPosition(); at.X != 21 || at.Y != 1 {
			t.Errorf("%q: cursor at %v", in, at)
		}
	}
}
