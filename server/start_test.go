package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// awaitBody waits until the response to a request has the wanted body: the screen that it is
// made from may lag behind by some milliseconds.
func (b *bench) awaitBody(path, want string) {
	b.t.Helper()
	b.Flush()
	var body string
	for deadline := time.Now().Add(wait.Patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, body = b.get(path); body == want {
			return
		}
	}
	b.t.Errorf("%s: %q, want %q", path, body, want)
}

// awaitPrelude waits until joining viewers get a prelude.
func (b *bench) awaitPrelude() {
	b.t.Helper()
	b.Flush()
	wait.For(b.t, wait.Patience, "there is no prelude", func() bool {
		v := b.dial("?n=0", protocol.Subprotocol)
		defer v.Close()
		m, _ := v.Next(context.Background())
		hello, ok := m.Event.(protocol.HelloEvent)
		return ok && hello.Prelude != ""
	})
}

func TestTextStartsAtWholeLine(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 2})}, Options{})
	b.Write([]byte("one \x1b[31;4mred\r\n\x1b[?25ltwo\r\nthree\r\n"))
	b.awaitBody("/", "two\nthree\n")
}

// TestTextNeverStartsWithinSequence starts text within a line that is longer than the ring, at
// each byte of a control sequence.
func TestTextNeverStartsWithinSequence(t *testing.T) {
	sequence := "\x1b[38;2;100;200;30m"
	for extra := range len(sequence) + 1 {
		b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Bytes: 100 + extra})}, Options{})
		b.Write([]byte(strings.Repeat("x", 1000) + sequence + strings.Repeat("y", 100)))
		b.awaitBody("/", strings.Repeat("y", 100))
	}
}

// TestTextOfScreen checks that the screen of a full-screen program follows the lines before
// the program, and is as wide as the terminal.
func TestTextOfScreen(t *testing.T) {
	for _, ring := range []int{1 << 20, 600} { // with and without the lines in the ring
		b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Bytes: ring})}, Options{})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte("one\r\n\x1b[32mtwo\r\n$ vim\r\n\x1b[?1049h\x1b[H\x1b[2J\x1b[44mhello\x1b[3;5H\x1b[1mworld\x1b[?25l\x1b[5;6r\x1b[5;1H"))
		b.awaitBody("/", "one\ntwo\n$ vim\nhello\n\n    world\n")
		for range 100 {
			b.Write([]byte("\x1b[8;8H0123456789\x1b[K"))
		}
		b.Write([]byte("\x1b[5;3Hmore\x1b[m"))
		b.awaitBody("/", "one\ntwo\n$ vim\nhello\n\n    world\n\n  more\n\n\n       0123456789\n")
		b.Emit(broadcaster.Resize{Cols: 3, Rows: 10})
		b.awaitBody("/?n=0", "hel\n\n\n\n  m\n")
	}
}

// TestTextBeforeFullScreenProgram checks that text has the requested number of lines before a
// full-screen program, even if the ring has dropped them: while the program runs, and as long
// afterwards as the requested lines reach back before it.
func TestTextBeforeFullScreenProgram(t *testing.T) {
	lines := []string{"one", "two", "three"}
	for _, ring := range []int{1 << 20, 600} {
		b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Bytes: ring})}, Options{})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte("one\r\n\x1b[32mtwo\r\nthree\r\n\x1b[?1049h\x1b[H"))
		b.awaitBody("/?n=0", "")
		b.Write([]byte(strings.Repeat("\x1b[Hhello\r\n\x1b[2;1Hworld\r\n", 50)))
		check := func(n string, last int, rows string) {
			t.Helper()
			want := strings.Join(lines[3-last:], "\n")
			if last > 0 {
				want += "\n"
			}
			b.awaitBody("/?n="+n, want+rows)
		}
		for n := range 5 {
			check(fmt.Sprint(n), min(n, 3), "hello\nworld\n")
		}
		check("all", 3, "hello\nworld\n")
		b.Write([]byte("\x1b[?1049l"))
		check("1", 1, "")
		b.Write([]byte("four\r\n$ "))
		check("3", 1, "four\n$ ")
		check("1", 0, "$ ")
		check("0", 0, "")
	}
}

// TestTextAfterClear checks that text has nothing that a program has cleared from the screen.
func TestTextAfterClear(t *testing.T) {
	b := serve(t, Options{})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	b.Write([]byte("one\r\ntwo\r\n\x1b[H\x1b[2Jtop - 1\r\nrow a\r\nrow b\x1b[H\x1b[2Jtop - 2\r\nrow a\x1b[H\x1b[m"))
	for path, want := range map[string]string{
		"/":                              "one\ntwo\ntop - 2\nrow a\n",
		"/?offset=5&epoch=" + b.Epoch():  "two\ntop - 2\nrow a\n",
		"/?offset=30&epoch=" + b.Epoch(): "top - 2\nrow a\n",
	} {
		b.awaitBody(path, want)
	}
}

// TestEventsStartWithinSequence checks that events that start within a control sequence
// contain no part of it.
func TestEventsStartWithinSequence(t *testing.T) {
	for _, tt := range []struct{ before, after, text string }{
		{"one\r\n\x1b", "[31mred\r\n", "red"},
		{"one\r\n\x1b[3", "1mred\r\n", "red"},
		{"one\r\n\x1b]0;tit", "le\atext\r\n", "text"},
		{"one\r\n\x1b_" + strings.Repeat("x", 6000), "y\x1b\\text\r\n", "text"},
		{"one\r\n\x1b[?1049h\x1b[Hhello\x1b[3", "1mred\x1b[?1049l\x1b[mback\r\n", "back"},
	} {
		b := serve(t, Options{})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(tt.before))
		b.awaitPrelude()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events, _ := http.NewRequestWithContext(ctx, "GET", "http://"+b.addr+"/?n=0", nil)
		events.Header.Set("Accept", "text/event-stream")
		resp, err := b.client().Do(events)
		if err != nil {
			t.Fatal(err)
		}
		plain := b.dial("?n=0")
		wait.For(t, wait.Patience, "the plain viewer hasn't joined", func() bool {
			return b.srv.sessions.Tallies()[hub.FormPlain].Now == 1
		})
		b.Write([]byte(tt.after))
		b.end(0)
		if r, err := watch.Viewer(plain, -1); err != nil || r.Code != protocol.CloseEnded {
			t.Error(r.Code, err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if line := fmt.Sprintf("id: %d\ndata: %s\n", b.Stats().End, tt.text); !strings.HasPrefix(string(body), line) {
			t.Errorf("%.20q: events %q", tt.before, body)
		}
	}
}
