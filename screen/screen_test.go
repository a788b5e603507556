package screen

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scan returns the state behind all of p, and what is left of it.
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
		// What it returns means the same.
		if again, _ := scan(tt.want); again.Append(nil) != nil && string(again.Append(nil)) != tt.want {
			t.Errorf("%q: %q", tt.want, again.Append(nil))
		}
	}
}

func TestScanStopsBeforeWhatIsCut(t *testing.T) {
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

// random returns a stream of what programs write, and what they don't.
func random(rng *rand.Rand) []byte {
	pieces := []string{
		"text ", "\r\n", "\n", "\t", "\b", "äöü", "漢字", "e\u0301", "👩\u200d💻", "\xff\xc2", "\x1b[31m", "\x1b[0;1;38;5;99m", "\x1b[48;2;1;2;3m", "\x1b[m",
		"\x1b[4:3m", "\x1b[?1049h", "\x1b[?1049l", "\x1b[?47h", "\x1b[?47l", "\x1b[H", "\x1b[2J", "\x1b[5;7H", "\x1b[J", "\x1b[K", "\x1b7", "\x1b8", "\x1b[?25l",
		"\x1b[3;9r", "\x1b[r", "\x1b[?6h", "\x1b[?6l", "\x1b(0", "\x1b(B", "\x0e", "\x0f", "\x1b)0", "\x1b]2;title\a", "\x1b]8;;http://a\x1b\\", "\x1b]8;;\x1b\\",
		"\x1bM", "\x1bD", "\x1bE", "\x1bc", "\x1b[!p", "\x1b[4L", "\x1b[3M", "\x1b[2P", "\x1b[2@", "\x1b[9X", "\x1b[3b", "\x1b[2S", "\x1b[2T", "\x1b[c", "\x1b[6n", "\x1b[?7l",
		"\x1bP$qm\x1b\\", "\x18", "\x1b", "\x1b[", "\u009b1m", "\u0085", "\x1b[999999999b", "\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1m",
	}
	var b []byte
	for range 1 + rng.IntN(60) {
		b = append(b, pieces[rng.IntN(len(pieces))]...)
	}
	return b
}

// The state behind any pieces is that behind the whole.
func TestPiecesMakeNoDifference(t *testing.T) {
	for seed := range uint64(20_000) {
		pieces(t, random(rand.New(rand.NewPCG(seed, 1))), seed)
	}
}

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

// screenOf returns a Screen that was shown p, in pieces of n bytes.
func screenOf(t *testing.T, p string, n int) *Screen {
	s := New()
	t.Cleanup(s.Close)
	s.Resize(20, 5)
	for len(p) > 0 {
		k := min(n, len(p))
		s.Write([]byte(p[:k]))
		p = p[k:]
	}
	return s
}

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

// A dump makes another screen show the same.
func TestDumpOfADump(t *testing.T) {
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
			continue // no sequence moves the cursor where a restored one may be
		}
		if x, y := s.picture.CursorPosition(), again.picture.CursorPosition(); x != y {
			t.Errorf("%q: cursor at %v, then %v, by %q", in, x, y, p.Prelude)
		}
		if t.Failed() {
			return
		}
	}
}

func TestDumpLeavesTheCursor(t *testing.T) {
	for _, tt := range []struct {
		in      string
		pending bool // the next character will begin the next row
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
		if x, y := s.picture.CursorPosition(), again.picture.CursorPosition(); x != y || s.picture.Pending() != tt.pending || again.picture.Pending() != tt.pending {
			t.Errorf("%q: cursor at %v, %v; by %q at %v, %v", tt.in, x, s.picture.Pending(), p.Prelude, y, again.picture.Pending())
		}
	}
}

func TestErasedWithTheBackground(t *testing.T) {
	for _, in := range []string{"\x1b[42m\x1b[?47h", "\x1b[?1049h\x1b[3;4H\x1b[42m\x1b[2J", "\x1b[42m\x1b[H\x1b[2J"} {
		s := screenOf(t, in, 100)
		for _, at := range [][2]int{{0, 0}, {19, 0}, {3, 2}, {19, 4}} {
			if c := s.picture.at(at[0], at[1]); penOf(&c.Style) != (pen{bg: indexed | 2}) {
				t.Errorf("%q: %+v at %v", in, penOf(&c.Style), at)
			}
		}
	}
}

func TestTheCursorStaysWhereItWas(t *testing.T) {
	for _, tt := range []struct{ before, text string }{
		{"", "x\n"},
		{"a\r\nb\r\nc", "\n\n x\n"},
		{strings.Repeat("a\r\n", 30), "\n\n\n\nx\n"},
		{"a\r\nb\x1b[?1049hc\r\n\r\nd\x1b[?1049l", "\n x\n"},
		{"a\r\nb\r\n\x1bcc", " x\n"},
	} {
		s := New()
		t.Cleanup(s.Close)
		s.Resize(20, 5)
		s.History = func(end int64) ([]byte, State, bool) { return []byte(tt.before)[:end], State{}, true }
		s.Write([]byte(tt.before + "\x1b[?1047hx"))
		if text := string(s.Picture().Text); text != tt.text {
			t.Errorf("%q: %q", tt.before, text)
		}
	}
}

func TestAPagerOnTheNormalScreen(t *testing.T) {
	before := "a\r\nb\r\nc\r\nd\r\n:"
	s := New()
	t.Cleanup(s.Close)
	s.Resize(20, 5)
	s.History = func(end int64) ([]byte, State, bool) { return []byte(before)[:end], State{}, true }
	s.Write([]byte(before + "\x1b[H\x1bM0\r\n\x1b[5;1H\x1b[K:\x1b[m"))
	if text := string(s.Picture().Text); !s.Full() || text != "0\na\nb\nc\n:\n" {
		t.Errorf("%v, %q", s.Full(), text)
	}
	s.Write([]byte("\r\n"))
	if p := s.Picture(); s.Full() || p.Text != nil || p.To == 0 {
		t.Errorf("in the end %v, %+v", s.Full(), p)
	}
}

// What begins programs without end is not followed for ever.
func TestManyStarts(t *testing.T) {
	s := New()
	t.Cleanup(s.Close)
	s.Resize(200, 50)
	made := 0
	s.emulators = func(cols, rows int) emulator { made++; return newVT(cols, rows) }
	begin := time.Now()
	s.Write([]byte(strings.Repeat("\x1b[?1049hx\x1b[?1049l", 2000)))
	if seconds := 1 + int(time.Since(begin)/time.Second+1); made > maxStarts*seconds || s.Failures() < 1 || s.Failures() > seconds {
		t.Errorf("%d were made, %d failures", made, s.Failures())
	}
}

// What the emulator is slow at takes no longer than it may, and is the same in the end.
func TestWriteUntil(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("\n", 2048), strings.Repeat("x\x1b[1000b", 200), strings.Repeat("\x1b[999S", 200),
		strings.Repeat("\x1bD", 1000), strings.Repeat("\x1b[?47h\x1b[?47l", 50), strings.Repeat("漢\n\u0301", 300),
	} {
		in = "\x1b[?1049h\x1b[H\x1b[24;1H" + in + "\x1b[?47hend"
		s, whole := New(), New()
		defer s.Close()
		defer whole.Close()
		s.Resize(80, 24)
		whole.Resize(80, 24)
		steps, longest, p := 0, time.Duration(0), []byte(in)
		for len(p) > 0 {
			begin := time.Now()
			n := s.WriteUntil(p, begin.Add(time.Millisecond/5))
			steps, longest = steps+1, max(longest, time.Since(begin))
			if p = p[n:]; n < 1 || s.Offset() != int64(len(in)-len(p)) {
				t.Fatalf("%.40q: took %d, offset %d", in, n, s.Offset())
			}
		}
		if steps < 6 || longest > 5*time.Second {
			t.Errorf("%.40q: %d steps, one took %v", in, steps, longest)
		}
		whole.Write([]byte(in))
		if a, b := s.Picture(), whole.Picture(); a.To != b.To || !bytes.Equal(a.Text, b.Text) {
			t.Errorf("%.40q: %d, %q, in one piece %d, %q", in, a.To, a.Text, b.To, b.Text)
		}
	}
}

// A sequence that was begun before takes its bytes along.
func TestWriteUntilWithATail(t *testing.T) {
	s := screenOf(t, "\x1b[?1049h\x1b[3", 100)
	if n := s.WriteUntil([]byte("\x1b[Hx\x1b[2"), time.Now()); n != 3 || s.Offset() != 14 {
		t.Errorf("took %d, offset %d", n, s.Offset())
	}
}

// The output before a program is drawn for a while at the most.
func TestALongHistory(t *testing.T) {
	s := New()
	t.Cleanup(s.Close)
	s.Resize(512, 256)
	before := strings.Repeat("\n", 16<<10)
	s.History = func(int64) ([]byte, State, bool) { return []byte(before), State{}, true }
	begin := time.Now()
	s.Write([]byte(before + "\x1b[?1049hx"))
	if took := time.Since(begin); took > 10*recallTime || s.Full() || s.Failures() != 1 {
		t.Errorf("%v, full %v, %d failures", took, s.Full(), s.Failures())
	}
}

type failing struct{ emulator }

func (f failing) Close() error {
	f.emulator.Close()
	panic("closed")
}

func (f failing) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("boom")) {
		panic("boom")
	}
	return f.emulator.Write(p)
}

func TestAPanicIsContained(t *testing.T) {
	s := New()
	defer s.Close()
	s.emulators = func(cols, rows int) emulator { return failing{newVT(cols, rows)} }
	s.Resize(20, 5)
	fmt.Fprint(s, "\x1b[?1049hboom!\x1b[31m")
	if s.Full() || s.Failures() != 1 || s.Picture().To != 0 {
		t.Errorf("full %v, %d failures, %+v", s.Full(), s.Failures(), s.Picture())
	}
	if got := string(s.state.Append(nil)); got != "\x1b[?1049h\x1b[0;31m" {
		t.Errorf("state %q", got)
	}
	fmt.Fprint(s, "\x1b[?1049l\x1b[?1049hfine\x1b[H")
	if !s.Full() || string(s.Picture().Text) != "fine\n" {
		t.Errorf("the next one: %q", s.Picture().Text)
	}
}

func TestAPanicInTheBeginning(t *testing.T) {
	s := New()
	defer s.Close()
	s.emulators = func(int, int) emulator { panic("begin") }
	s.Resize(20, 5)
	fmt.Fprint(s, "\x1b[?1049hx")
	if s.Full() || s.Failures() != 1 {
		t.Errorf("full %v, %d failures", s.Full(), s.Failures())
	}
}

// The emulator has a field that it shows to nobody. If this fails, another version of it
// calls that otherwise: see [vtEmulator.Pending].
func TestTheEmulatorHasAPhantom(t *testing.T) {
	e := newVT(2, 1).(*vtEmulator)
	defer e.Close()
	if !e.phantom.IsValid() || e.phantom.Kind() != reflect.Bool {
		t.Fatal("vt.Emulator has no bool atPhantom")
	}
}

// Of any number of links those are known that are to be seen.
func TestManyLinks(t *testing.T) {
	s := screenOf(t, "\x1b[?1049h\x1b[2;1H\x1b]8;;http://first\ax", 100)
	for i := range 3 * maxLinks {
		fmt.Fprintf(s, "\x1b[H\x1b]8;;http://%d\ax", i)
	}
	s.Write([]byte("\x1b]8;;\a"))
	p := s.Picture()
	if last := fmt.Sprintf("http://%d\x1b", 3*maxLinks-1); !bytes.Contains(p.Prelude, []byte("http://first\x1b")) || !bytes.Contains(p.Prelude, []byte(last)) {
		t.Errorf("%q", p.Prelude)
	}
	if len(s.picture.links) > maxLinks {
		t.Errorf("%d links are kept", len(s.picture.links))
	}
}

// Whoever begins within what a program drew on the normal screen gets what it was
// when the terminal was resized.
func TestAResizeOfTheNormalScreen(t *testing.T) {
	s := screenOf(t, "abc\x1b[H\x1b[2Jtop\r\nrow\x1b[Htip", 100)
	at := s.Offset()
	s.Resize(30, 6)
	p := s.Picture()
	if s.Full() || p.From != 3 || p.To != at || p.Cols != 30 || p.Rows != 6 || !bytes.Contains(p.Prelude, []byte("tip")) {
		t.Errorf("full %v, %+v, prelude %q", s.Full(), p, p.Prelude)
	}
}

func TestTextOfWhatIsHeld(t *testing.T) {
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

// A sequence that is no string ends where it would if it was short.
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

func FuzzScreen(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(random(rand.New(rand.NewPCG(seed, 4))), seed)
	}
	f.Fuzz(func(t *testing.T, p []byte, seed uint64) {
		pieces(t, p, seed)
		s := New()
		defer s.Close()
		s.Resize(30, 6)
		half := len(p) / 2
		s.Write(p[:half])
		s.Picture()
		s.Resize(25, 9)
		s.Write(p[half:])
		if q := s.Picture(); s.Full() && q.To > int64(len(p)) {
			t.Errorf("picture at %d of %d", q.To, len(p))
		}
	})
}

func benchmark(b *testing.B, line string) {
	p := bytes.Repeat([]byte(line), 1<<20/len(line))
	b.SetBytes(int64(len(p)))
	s := New()
	defer s.Close()
	s.Resize(120, 30)
	for b.Loop() {
		for piece := p; len(piece) > 0; piece = piece[min(4096, len(piece)):] {
			s.Write(piece[:min(4096, len(piece))])
		}
		s.Forget(s.Offset())
	}
}

func BenchmarkPlain(b *testing.B) { benchmark(b, strings.Repeat("x", 99)+"\n") }
func BenchmarkColored(b *testing.B) {
	benchmark(b, "\x1b[2m12:00:00\x1b[0m \x1b[1;32mINFO\x1b[0m server: \x1b[36mlistening\x1b[0m on port \x1b[33m8080\x1b[0m\r\n")
}
func BenchmarkFullScreen(b *testing.B) {
	benchmark(b, "\x1b[?1049h\x1b[5;10H\x1b[1;32mINFO\x1b[0m server: \x1b[36mlistening\x1b[0m on port \x1b[33m8080\x1b[0m\x1b[K")
}

// A run of characters beyond ASCII, as a border is, is drawn whole however long it
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
