package screen

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPagerOnNormalScreen(t *testing.T) {
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

func TestAlternateScreenKeepsCursor(t *testing.T) {
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

// A viewer that begins within what a program drew on the normal screen gets the screen from
// before the terminal was resized.
func TestResizeEndsNormalScreen(t *testing.T) {
	s := screenOf(t, "abc\x1b[H\x1b[2Jtop\r\nrow\x1b[Htip", 100)
	at := s.Offset()
	s.Resize(30, 6)
	p := s.Picture()
	if s.Full() || p.From != 3 || p.To != at || p.Cols != 30 || p.Rows != 6 || !bytes.Contains(p.Prelude, []byte("tip")) {
		t.Errorf("full %v, %+v, prelude %q", s.Full(), p, p.Prelude)
	}
}

// Output that begins programs endlessly is not followed for ever.
func TestManyStarts(t *testing.T) {
	s := New()
	t.Cleanup(s.Close)
	s.Resize(200, 50)
	made := 0
	s.emulators = func(cols, rows int) emulator { made++; return newVT(cols, rows, nil) }
	begin := time.Now()
	s.Write([]byte(strings.Repeat("\x1b[?1049hx\x1b[?1049l", 2000)))
	if seconds := 1 + int(time.Since(begin)/time.Second+1); made > maxStarts*seconds || s.Failures() < 1 || s.Failures() > seconds {
		t.Errorf("%d were made, %d failures", made, s.Failures())
	}
}

// The output before a program is drawn for a limited time.
func TestLongHistoryIsGivenUp(t *testing.T) {
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

// A failing emulator panics on "boom" and when it is closed.
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

func TestEmulatorPanicIsContained(t *testing.T) {
	s := New()
	defer s.Close()
	s.emulators = func(cols, rows int) emulator { return failing{newVT(cols, rows, nil)} }
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

func TestEmulatorPanicAtStart(t *testing.T) {
	s := New()
	defer s.Close()
	s.emulators = func(int, int) emulator { panic("begin") }
	s.Resize(20, 5)
	fmt.Fprint(s, "\x1b[?1049hx")
	if s.Full() || s.Failures() != 1 {
		t.Errorf("full %v, %d failures", s.Full(), s.Failures())
	}
}
