package hub

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/screen"
)

// followed publishes what was written, and waits until the screen has followed it.
func (f *fixture) followed() {
	f.t.Helper()
	f.Flush()
	tracker := f.hub.joins
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		tracker.mu.Lock()
		at := tracker.screen.Offset()
		tracker.mu.Unlock()
		if at == f.Stats().End {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the screen is at %d of %d", at, f.Stats().End)
		}
	}
}

// join returns a new viewer and its hello.
func (f *fixture) join(query string) (*client.Viewer, protocol.HelloEvent) {
	f.t.Helper()
	v := f.dial(query, "wsrun.v1")
	return v, f.hello(v)
}

// hello reads the first message of a viewer, which must be a hello.
func (f *fixture) hello(v *client.Viewer) protocol.HelloEvent {
	f.t.Helper()
	m, err := v.Next(f.t.Context())
	hello, ok := m.Event.(protocol.HelloEvent)
	if err != nil || !ok {
		f.t.Fatalf("got %q, %v", m.Payload, err)
	}
	return hello
}

// shown returns the text that a terminal shows after it has got written, and the terminal's state.
func shown(t *testing.T, written string) (string, screen.State) {
	s := screen.New()
	defer s.Close()
	s.Resize(40, 10)
	s.History = func(end int64) ([]byte, screen.State, bool) { // not all: drawing it may take a second at most
		at := strings.LastIndexByte(written[:max(end-16<<10, 0)], '\n') + 1
		before := screen.State{}
		before.Scan([]byte(written[:at]))
		return []byte(written[at:end]), before, true
	}
	io.WriteString(s, written+"\x1b[m")
	state, at := s.StateAt(int64(len(written) + 3))
	state.Scan([]byte(written + "\x1b[m")[at:])
	return string(s.Picture().Text), state
}

// A viewer that joins late starts with the colors and modes that the others have.
func TestJoinSendsColors(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 2})
	b.Write([]byte("one \x1b[31;4mred\r\n\x1b[?25ltwo\r\nthree\r\n"))
	b.followed()
	_, hello := b.join("")
	if want := "\x1b[?25l\x1b[0;4;31m"; hello.Prelude == "" || hello.Kept != nil || hello.Line != 2 {
		t.Errorf("hello = %+v, want %q", hello, want)
	}
	if _, hello = b.join("?n=1"); hello.Prelude != "\x1b[?25l\x1b[0;4;31m" || hello.Line != 3 {
		t.Errorf("n=1: hello = %+v", hello)
	}
	plain := b.dial("?n=1")
	if m, err := plain.Next(t.Context()); string(m.Payload) != "\x1b[?25l\x1b[0;4;31m" {
		t.Errorf("plain: %q, %v", m.Payload, err)
	}
	if m, err := plain.Next(t.Context()); string(m.Payload) != "three\r\n" {
		t.Errorf("plain: %q, %v", m.Payload, err)
	}
}

// A viewer learns of a resize that happens at the very offset where a picture ends, after the
// picture was made.
func TestJoinSendsSize(t *testing.T) {
	for _, in := range []string{"", "lines\r\n", "\x1b[?1049h\x1b[Hhello\x1b[m"} {
		for _, n := range []string{"", "?n=0"} {
			b := serve(t, broadcaster.Options{})
			b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
			b.Write([]byte(in))
			b.followed()
			b.join(n)
			b.Emit(broadcaster.Resize{Cols: 50, Rows: 20})
			c, hello := b.join(n)
			size := broadcaster.Resize{Cols: hello.Cols, Rows: hello.Rows}
			b.end(0)
			for size != (broadcaster.Resize{Cols: 50, Rows: 20}) {
				m, err := c.Next(t.Context())
				if err != nil {
					t.Errorf("%q%s: the size is %v, then %v", in, n, size, err)
					break
				}
				if e, ok := m.Event.(protocol.ResizeEvent); ok {
					size = broadcaster.Resize{Cols: e.Cols, Rows: e.Rows}
				}
			}
		}
	}
}

// Late joiners get the colors even during a flood of which the ring keeps little.
func TestJoinDuringFlood(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 100})
	b.Write([]byte("\x1b[31m" + strings.Repeat("x\r\n", 32<<10)))
	b.followed()
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		lines := []byte(strings.Repeat(strings.Repeat("x", 98)+"\r\n", 600))
		for {
			select {
			case <-stop:
				return
			default:
				b.Write(lines)
			}
		}
	})
	defer flood.Wait()
	defer close(stop)
	for i := range 40 {
		c, hello := b.join("")
		if hello.Prelude != "\x1b[0;31m" {
			t.Errorf("join %d: %q at %d", i, hello.Prelude, hello.Offset)
		}
		c.Close()
	}
}

// If the output that the screen needs is gone, the last known state is better than none.
func TestJoinAfterScreenIsLost(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 2})
	b.Write([]byte("\x1b[31mone\r\n"))
	b.followed()
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	b.Write([]byte("two\r\n"))
	b.followed()
	b.hub.joins.close()
	b.Write([]byte(strings.Repeat("line\r\n", 1<<19)))
	b.Flush()
	c, hello := b.join("")
	if m, err := c.Next(t.Context()); hello.Prelude != "\x1b[0;31m" || string(m.Payload) != "line\r\nline\r\n" {
		t.Errorf("hello = %+v, then %q, %v", hello, m.Payload, err)
	}
}
