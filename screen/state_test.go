package screen

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// scan returns the state after p, and the rest of p that was not followed.
func scan(p string) (State, string) {
	var s State
	n := s.Scan([]byte(p))
	return s, p[n:]
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"text, \r\n\ttext äö\u00a0漢\x7f", ""},
		{"\x1b[31mred", "\x1b[0;31m"},
		{"\x1b[31mred\x1b[mnot", ""},
		{"\x1b[1;2;3;4;5;7;8;9;53;91;102m", "\x1b[0;1;2;3;5;7;8;9;53;4;91;102m"},
		{"\x1b[1;2;3;4;5;7;8;9;53m\x1b[22;23;24;25;27;28;29;55m", ""},
		{"\x1b[4:3;58:2::1:2:3m", "\x1b[0;4:3;58;2;1;2;3m"},
		{"\x1b[4:3m\x1b[4:0m", ""},
		{"\x1b[21m", "\x1b[0;4:2m"},
		{"\x1b[38;5;200;48;5;7m", "\x1b[0;38;5;200;47m"},
		{"\x1b[38;2;1;2;3;1m", "\x1b[0;1;38;2;1;2;3m"},
		{"\x1b[38:2::1:2:3;1m", "\x1b[0;1;38;2;1;2;3m"},
		{"\x1b[38:5:9m", "\x1b[0;91m"},
		{"\x1b[58;5;9m", "\x1b[0;58;5;9m"},
		{"\x1b[31;39;41;49;58;5;1;59m", ""},
		{"\u009b31mC1", "\x1b[0;31m"},
		{"\x1b[3\n1mC0 within", "\x1b[0;31m"},
		{"\x1b[3\x181m aborted", ""},
		{"\x1b[3\x1b[32m restarted", "\x1b[0;32m"},
		{"\x1b[>31m\x1b[?31m\x1b[31 m other ones", ""},
		{"\x1b]8;id=1;http://x\x1b\\link", "\x1b]8;id=1;http://x\x1b\\"},
		{"\x1b]8;;http://x\alink\x1b]8;;\a", ""},
		{"\x1b]0;title\a", "\x1b]2;title\a"},
		{"\x1b]2;ti\x1b\\\x1b[31m", "\x1b]2;ti\a\x1b[0;31m"},
		{"\x1b]2;aborted\x18", ""},
		{"\x1bP1$r31m\x1b\\\x1b_31m\x1b\\\x1b^31m\x1b\\\x1bX31m\x1b\\", ""},
		{"\x1b(0", "\x1b(0"},
		{"\x1b(0\x1b(B", ""},
		{"\x1b)0\x0e", "\x1b)0\x0e"},
		{"\x1b)0\x0e\x0f\x1b)B", ""},
		{"\x1b*A\x1bn", "\x1b*A\x1bn"},
		{"\x1b[?25l", "\x1b[?25l"},
		{"\x1b[?25l\x1b[?25h", ""},
		{"\x1b[?7;2004;1000;1006h\x1b[4h", "\x1b[4h\x1b[?1000h\x1b[?1006h\x1b[?2004h"},
		{"\x1b[?1000;1003h\x1b[?1000l", ""},
		{"\x1b[?7l\x1b[!p", ""},
		{"\x1b[5;20r\x1b[?6h", "\x1b[5;20r\x1b[?6h"},
		{"\x1b[5;20r\x1b[r", ""},
		{"\x1b[20;5r", ""},
		{"\x1b[3 q", "\x1b[3 q"},
		{"\x1b[?1049h", "\x1b[?1049h"},
		{"\x1b[?47h\x1b[5;9r", "\x1b[?47h\x1b[5;9r"},
		{"\x1b[31m\x1b[?1049h\x1b[32m\x1b[?1049l", "\x1b[0;31m"},
		{"\x1b[31m\x1b7\x1b[32m\x1b8", "\x1b[0;31m"},
		{"\x1b[31m\x1b[s\x1b[32m\x1b[u", "\x1b[0;31m"},
		{"\x1b[31;1m\x1b[?1049h\x1b[5;9r\x1b(0\x1b]2;x\a\x1bc", ""},
	} {
		s, rest := scan(tt.in)
		if got := string(s.Append(nil)); got != tt.want || rest != "" {
			t.Errorf("%q: %q, rest %q; want %q", tt.in, got, rest, tt.want)
		}
		// What Append returns leads to the same state.
		if again, _ := scan(tt.want); again.Append(nil) != nil && string(again.Append(nil)) != tt.want {
			t.Errorf("%q: %q", tt.want, again.Append(nil))
		}
	}
}

func TestScanStopsBeforeIncompleteSequence(t *testing.T) {
	for _, tt := range []struct{ in, rest string }{
		{"text\x1b", "\x1b"},
		{"text\x1b[31", "\x1b[31"},
		{"\x1b[31m\x1b]0;tit", "\x1b]0;tit"},
		{"\x1b]0;title\x1b", "\x1b"},
		{"text\xc2", "\xc2"},
		{"text\xc3", ""},
		{"\x1b(", "\x1b("},
	} {
		if _, rest := scan(tt.in); rest != tt.rest {
			t.Errorf("%q: rest %q, want %q", tt.in, rest, tt.rest)
		}
	}
}

// random returns a stream of what programs write, and of what they don't.
func random(rng *rand.Rand) []byte {
	pieces := []string{
		"text ", "\r\n", "\n", "\t", "\b", "äöü", "漢字", "e\u0301", "👩\u200d💻", "\xff\xc2", "\x1b[31m", "\x1b[0;1;38;5;99m",
		"\x1b[48;2;1;2;3m", "\x1b[m",
		"\x1b[4:3m", "\x1b[?1049h", "\x1b[?1049l", "\x1b[?47h", "\x1b[?47l", "\x1b[H", "\x1b[2J", "\x1b[5;7H", "\x1b[J", "\x1b[K",
		"\x1b7", "\x1b8", "\x1b[?25l",
		"\x1b[3;9r", "\x1b[r", "\x1b[?6h", "\x1b[?6l", "\x1b(0", "\x1b(B", "\x0e", "\x0f", "\x1b)0", "\x1b]2;title\a",
		"\x1b]8;;http://a\x1b\\", "\x1b]8;;\x1b\\",
		"\x1bM", "\x1bD", "\x1bE", "\x1bc", "\x1b[!p", "\x1b[4L", "\x1b[3M", "\x1b[2P", "\x1b[2@", "\x1b[9X", "\x1b[3b", "\x1b[2S",
		"\x1b[2T", "\x1b[c", "\x1b[6n", "\x1b[?7l",
		"\x1bP$qm\x1b\\", "\x18", "\x1b", "\x1b[", "\u009b1m", "\u0085", "\x1b[999999999b",
		"\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1m",
	}
	var b []byte
	for range 1 + rng.IntN(60) {
		b = append(b, pieces[rng.IntN(len(pieces))]...)
	}
	return b
}

// A stream in pieces leads to the same state as in one piece.
func TestScanInPieces(t *testing.T) {
	for seed := range uint64(20_000) {
		pieces(t, random(rand.New(rand.NewPCG(seed, 1))), seed)
	}
}

// pieces fails the test if p leads to another state in pieces of random lengths.
func pieces(t *testing.T, p []byte, seed uint64) {
	t.Helper()
	var whole State
	rest := p[whole.Scan(p):]
	rng := rand.New(rand.NewPCG(seed, 2))
	var s State
	var tail []byte
	for left := p; len(left) > 0; {
		n := 1 + rng.IntN(min(len(left), 9))
		tail = append(tail, left[:n]...)
		left = left[n:]
		tail = tail[s.Scan(tail):]
	}
	if s != whole || !bytes.Equal(tail, rest) {
		t.Fatalf("%q: in pieces %+v, rest %q; whole %+v, rest %q", p, s, tail, whole, rest)
	}
}

func TestLongSequencesAreSkipped(t *testing.T) {
	s := screenOf(t, "\x1b[31m\x1b]52;c;"+strings.Repeat("A", 1<<20), 4096)
	if len(s.tail) > maxSequence+4096 {
		t.Errorf("%d bytes kept", len(s.tail))
	}
	fmt.Fprint(s, "\atext\x1b[32m")
	if s.at != 1<<20+12+1+4+5 || string(s.state.Append(nil)) != "\x1b[0;32m" {
		t.Errorf("at %d, state %q", s.at, s.state.Append(nil))
	}
}

// A long sequence other than a string ends where a short one would.
func TestLongSequencesEnd(t *testing.T) {
	for _, in := range []string{
		"\x1b[" + strings.Repeat("0;", 1<<16) + "1mtext", "\u009b" + strings.Repeat("0", 1<<17) + "ä",
		"\x1b" + strings.Repeat("\n", 1<<17) + "7text", "\x1b(" + strings.Repeat("\n", 1<<17) + "0text",
	} {
		for _, n := range []int{4096, 1 << 20} {
			s := screenOf(t, in+"text", n)
			if s.at != int64(len(in)+4) || s.state.within != 0 {
				t.Errorf("%.10q in pieces of %d: at %d of %d, within %q", in, n, s.at, len(in)+4, s.state.within)
			}
		}
	}
}
