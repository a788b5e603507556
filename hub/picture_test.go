package hub

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// A viewer that joins while a program fills the screen gets the lines before the program, and a
// picture of its screen.
func TestJoinSendsPicture(t *testing.T) {
	lines := "one\r\n\x1b[32mtwo\r\n$ vim\r\n"
	program := "\x1b[?1049h\x1b[H\x1b[2J\x1b[44mhello\x1b[3;5H\x1b[1mworld\x1b[?25l\x1b[5;6r\x1b[5;1H"
	after := "\x1b[5;3Hmore\x1b[m"
	for _, ring := range []int{1 << 20, 600} { // the ring keeps the lines, or has dropped them
		b := serve(t, broadcaster.Options{Bytes: ring})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(lines))
		all := lines
		write := func(s string) {
			b.Write([]byte(s))
			all += s
			b.followed()
		}
		write(program)
		for range 100 {
			write("\x1b[8;8H0123456789\x1b[K")
		}
		c, hello := b.join("")
		if hello.Offset != int64(len(all)) || hello.Cols != 40 || hello.Kept == nil || hello.Kept.Offset != 0 || hello.Kept.Line != 1 ||
			hello.Kept.Of(hello.Prelude) != lines {
			t.Fatalf("hello = %+v", hello)
		}
		write(after)
		m, _ := c.Next(t.Context())
		if string(m.Payload) != after {
			t.Errorf("then %q, want %q", m.Payload, after)
		}
		wantText, want := shown(t, all)
		gotText, got := shown(t, hello.Prelude+string(m.Payload))
		if wantText != gotText || got != want || !strings.Contains(gotText, "more") {
			t.Errorf("%q, %+v; want %q, %+v", gotText, got, wantText, want)
		}
		plain := b.dial("")
		if m, _ := plain.Next(t.Context()); len(m.Payload) == 0 || !strings.HasPrefix(string(m.Payload), lines) {
			t.Errorf("plain: %q", m.Payload)
		}

		// The program ends. Only its colors remain.
		write("\x1b[?1049l\x1b[r\x1b[?25h$ ")
		b.end(0)
		_, hello = b.join("")
		rest, _ := watch.Viewer(b.dial("", "wsrun.v1"), -1)
		_, want = shown(t, all)
		if _, got := shown(t, hello.Prelude+string(rest.Data)); got != want {
			t.Errorf("in the end %+v, want %+v", got, want)
		}
		if !strings.Contains(hello.Prelude+string(rest.Data), lines) {
			t.Errorf("in the end: %q, then %q", hello.Prelude, rest.Data)
		}
	}
}

// A viewer doesn't get the picture of an earlier program.
func TestJoinSendsPictureOfSecondProgram(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 8})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	b.Write([]byte("first\r\n\x1b[?1049h\x1b[Hone"))
	b.followed()
	b.join("")
	b.Write([]byte("\x1b[?1049lsecond\r\n\x1b[?1049h\x1b[Htwo\x1b[m"))
	b.followed()
	_, hello := b.join("")
	kept := hello.Kept.Of(hello.Prelude)
	if text, _ := shown(t, hello.Prelude); text != "two\n" || !strings.HasSuffix(kept, "second\r\n") {
		t.Errorf("shows %q, kept %q", text, kept)
	}
}

// Whenever a viewer joins while a program draws, its picture and the output that follows show the
// same screen that all output does.
func TestJoinWhileProgramDraws(t *testing.T) {
	b := serve(t, broadcaster.Options{Bytes: 32 << 10})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	var all strings.Builder
	write := func(s string) {
		all.WriteString(s)
		b.Write([]byte(s))
	}
	write("lines\r\n\x1b[?1049h\x1b[2J")
	b.followed()
	var wg sync.WaitGroup
	seen := make(chan [2]string, 60)
	for i := range 60 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 3 * time.Millisecond) // spread over the writing
			c, hello := b.join("")
			r, err := watch.Viewer(c, -1)
			if err != nil || len(r.Events) != 1 {
				t.Errorf("%q, %v", r.Events, err)
			}
			seen <- [2]string{hello.Prelude + string(r.Data), fmt.Sprint(hello.Offset + int64(len(r.Data)))}
		})
	}
	for i := range 2000 {
		write(fmt.Sprintf("\x1b[%d;%dH\x1b[%dm%d\x1b[m", 1+i%10, 1+i*7%36, 30+i%8, i))
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	b.followed()
	b.end(0)
	wg.Wait()
	close(seen)
	wantText, want := shown(t, all.String())
	for s := range seen {
		if text, state := shown(t, s[0]); text != wantText || state != want || s[1] != fmt.Sprint(all.Len()) {
			t.Fatalf("to %s of %d:\n%s\nwant\n%s", s[1], all.Len(), text, wantText)
		}
	}
}

// The rows of an unchanged screen are made once.
func TestBeginTextSharesRows(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	b.Write([]byte("\x1b[?1049h\x1b[Hhello\x1b[m"))
	b.followed()
	all := Position{Lines: -1, Offset: -1}
	first := b.hub.BeginText(all, false).Rows
	if second := b.hub.BeginText(all, false).Rows; string(first) != "hello\n" || &first[0] != &second[0] {
		t.Errorf("%q, then another %q", first, second)
	}
	b.Emit(broadcaster.Resize{Cols: 3, Rows: 10})
	wait.For(t, wait.Patience, "the rows are not those of another size", func() bool {
		return string(b.hub.BeginText(all, false).Rows) == "hel\n"
	})
}
