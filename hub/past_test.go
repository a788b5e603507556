package hub

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

// servePast is serve with a history of so many bytes.
func servePast(t testing.TB, o broadcaster.Options, size int64) *fixture {
	return servePastAfter(t, o, size, time.Millisecond)
}

// servePastAfter is servePast with a history that leaves new output to the ring for a while.
func servePastAfter(t testing.TB, o broadcaster.Options, size int64, delay time.Duration) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	store := history.New(history.Options{Delay: delay, Bytes: size, Dirs: []string{t.TempDir()}, Report: func(err error) { t.Error(err) }})
	t.Cleanup(func() { store.Close() })
	stream := broadcaster.New(o)
	return serveHub(t, l, Options{Stream: stream, History: store.Follow(stream), Started: time.Now()})
}

// flood writes so many lines, the last of which is "end", as fast as the history can store them.
func (f *fixture) flood(lines int) {
	const behind = 4 << 20
	written := int64(0)
	random := rand.New(rand.NewPCG(1, 1)) // so that the lines can't be compressed well
	for i := range lines {
		line := fmt.Sprintf("%09d %088x\r\n", i, random.Uint64())
		f.Write([]byte(line))
		if written += int64(len(line)); i%1000 == 0 {
			wait.For(f.t, wait.Patience, "the history doesn't grow", func() bool { return f.hub.History.End().Offset >= written-behind })
		}
	}
	f.end(0)
}

// A lineCounter checks that it gets each line of a flood once.
type lineCounter struct {
	cut  []byte
	next int
	bad  string
}

// add counts the lines of output.
func (c *lineCounter) add(p []byte) {
	lines := bytes.Split(append(c.cut, p...), []byte("\n"))
	c.cut = bytes.Clone(lines[len(lines)-1])
	for _, line := range lines[:len(lines)-1] {
		if want := fmt.Sprintf("%09d ", c.next); !bytes.HasPrefix(line, []byte(want)) && c.bad == "" {
			c.bad = fmt.Sprintf("line %d is %q", c.next, line[:min(len(line), 20)])
		}
		c.next++
	}
}

// follow reads until the end of the stream, with pauses, and reports what is wrong.
func (c *lineCounter) follow(t *testing.T, v *client.Viewer, pause func()) error {
	for {
		m, err := v.Next(t.Context())
		switch {
		case client.CloseCode(err) == protocol.CloseEnded:
			return nil
		case err != nil:
			return err
		}
		switch e := m.Event.(type) {
		case nil:
			c.add(m.Payload)
			pause()
		case protocol.ResetEvent:
			return fmt.Errorf("reset: %+v", e)
		}
	}
}

// Viewers that stop reading in a flood, for so long that the ring loses what they need, lose nothing.
func TestFollowersLoseNothing(t *testing.T) {
	t.Parallel()
	const lines = 100_000
	f := servePast(t, broadcaster.Options{Lines: 1000, Bytes: 100 << 10}, 64<<20)
	var all sync.WaitGroup
	join := func(name string, v *client.Viewer) {
		random := rand.New(rand.NewPCG(uint64(len(name)), 7))
		all.Go(func() {
			c := &lineCounter{}
			err := c.follow(t, v, func() {
				if random.IntN(50) == 0 {
					time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
				}
			})
			if err != nil || c.bad != "" || c.next != lines {
				t.Errorf("%s: %d lines of %d; %s, %v", name, c.next, lines, c.bad, err)
			}
		})
	}
	for i := range 3 {
		join(fmt.Sprint("wsrun.v1 ", i), f.dialNarrow())
	}
	join("plain", f.dialSlow())
	deflated, _, _ := f.dialDeflated("", websocket.CompressionContextTakeover, protocol.Subprotocol)
	join("deflated", deflated)
	bare, _, _ := f.dialDeflated("", websocket.CompressionNoContextTakeover)
	join("plain, deflated", bare)
	f.awaitSlots(6)
	f.flood(lines)
	all.Wait()
}

// A viewer that reconnects continues where it was, although the ring has lost that place.
func TestResumeInHistory(t *testing.T) {
	t.Parallel()
	const lines = 200_000
	f := servePast(t, broadcaster.Options{Lines: 1000, Bytes: 100 << 10}, 64<<20)
	f.hub.Stream.Emit(broadcaster.Resize{Cols: 80, Rows: 24})
	f.flood(lines)
	for _, offset := range []int64{0, 1, 99, 100, 65_537, 3_000_000, 17_000_000, 19_800_000, 19_999_999, 20_000_000} {
		v := f.dial(fmt.Sprintf("?epoch=%s&offset=%d", f.Epoch(), offset), protocol.Subprotocol)
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello, got := m.Event.(protocol.HelloEvent), int64(0)
		for err == nil {
			if m, err = v.Next(t.Context()); err == nil && m.Event == nil {
				got += int64(len(m.Payload))
			}
		}
		if hello.History == nil || *hello.History != (protocol.Place{Line: 1}) {
			t.Errorf("the oldest place is %+v", hello.History)
		}
		if !hello.Resumed || hello.Offset != offset || hello.Line != offset/100+1 || hello.Cols != 80 || got != 20_000_000-offset {
			t.Errorf("at %d: %+v; %d bytes, %v", offset, hello, got, err)
		}
		for i := range hello.Times[min(1, len(hello.Times)):] {
			if hello.Times[i+1][0] <= hello.Times[i][0] {
				t.Errorf("at %d: time %d is %v, after %v", offset, i+1, hello.Times[i+1], hello.Times[i])
			}
		}
		if n := len(hello.Times); offset < 17_000_000 && (n == 0 || n > maxTimes || hello.Times[0][0] > offset && n < maxTimes) {
			t.Errorf("at %d: %d times, from %v", offset, n, hello.Times[:min(n, 1)])
		}
	}
}

// Output that the history has dropped makes resets that say how much is missing, with the state there.
func TestResetToHistory(t *testing.T) {
	t.Parallel()
	const lines = 100_000
	f := servePast(t, broadcaster.Options{Lines: 1000, Bytes: 100 << 10}, 2<<20)
	v := f.dialNarrow()
	if _, err := v.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.hub.Stream.Write([]byte("\x1b[31m"))
	f.flood(lines)
	const size = 100*lines + 5
	wait.For(t, wait.Patience, "the history isn't whole", func() bool { return f.hub.History.End().Offset == size })
	at, resets := int64(0), 0
	for {
		m, err := v.Next(t.Context())
		if err != nil {
			break
		}
		switch e := m.Event.(type) {
		case nil:
			at += int64(len(m.Payload))
		case protocol.ResetEvent:
			resets++
			if e.Offset != at+e.SkippedBytes || e.Line != (e.Offset-5)/100+1 || (e.Offset-5)%100 != 0 || !strings.Contains(e.Prelude, "31") {
				t.Errorf("at %d: %+v", at, e)
			}
			at = e.Offset
		}
	}
	if st := f.hub.History.(*history.Log).StoreStats(); st.Dropped < size/2 || st.Missed != 0 || st.Failures != 0 || st.Read == 0 || st.Size == 0 {
		t.Errorf("%+v", st)
	}
	if oldest := f.hub.Oldest(f.hub.LastRun()); oldest.Offset != 5+100*(oldest.Line-1) || oldest.Offset < size/2 {
		t.Errorf("the oldest place is %+v", oldest)
	}
	if at != size || resets == 0 {
		t.Errorf("ended at %d of %d after %d resets", at, size, resets)
	}
}

// The history has pictures of a program that fills the screen: one of them, with the output that follows it, shows
// any moment.
func TestPicturesInHistory(t *testing.T) {
	t.Parallel()
	f := servePast(t, broadcaster.Options{Lines: 100, Bytes: 100 << 10}, 64<<20)
	f.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	random := rand.New(rand.NewPCG(3, 3))
	var all []byte
	write := func(p []byte) {
		all = append(all, p...)
		f.Write(p)
	}
	write([]byte(strings.Repeat("before the program\r\n", 10_000) + "\x1b[?1049h\x1b[H\x1b[2J"))
	first := int64(len(all))
	for n := 0; len(all) < 3<<19; n++ {
		write(fmt.Appendf(nil, "\x1b[%d;%dH\x1b[%dm%x é", 1+random.IntN(10), 1+random.IntN(40), 30+random.IntN(8), random.IntN(1<<30)))
		if n%200 == 0 {
			f.followed()
		}
	}
	f.end(0)
	wait.For(t, wait.Patience, "the history isn't whole", func() bool { return f.hub.History.End().Offset == int64(len(all)) })
	for range 10 {
		offset := first + 600<<10 + random.Int64N(int64(len(all))-first-600<<10)
		p, err := f.hub.History.Picture(offset)
		if err != nil || p.Offset > offset || offset-p.Offset > 600<<10 || p.Size != (broadcaster.Resize{Cols: 40, Rows: 10}) {
			t.Fatalf("the picture for %d is at %d, %v, %v", offset, p.Offset, p.Size, err)
		}
		want, _ := shown(t, string(all[:offset]))
		got, _ := shown(t, string(p.Prelude)+string(all[p.Offset:offset]))
		if got != want || got == "" {
			t.Errorf("at %d: %q, want %q", offset, got, want)
		}
	}
}

// A program begins with the cursor where the output before it has left it, also if that is in the history.
func TestMomentAsAProgramBegins(t *testing.T) {
	t.Parallel()
	f := servePast(t, broadcaster.Options{Lines: 100, Bytes: 100 << 10}, 64<<20)
	f.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	for _, before := range []string{"one\r\ntwo", strings.Repeat("before the program\r\n", 10_000) + "\x1b[7A$ vim"} {
		f.Write([]byte(before + "\x1b[?1049h"))
		f.followed()
		begun := f.hub.Stream.Stats().End
		f.Write([]byte("X\x1b[?1049l\r\n" + strings.Repeat("after it\r\n", 20_000)))
		wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return f.hub.History.End().Offset > begun })
		p, ok := f.hub.screenAt(begun, nil)
		got, _ := shown(t, string(p)+"X")
		want, _ := shown(t, before+"\x1b[?1049hX")
		if !ok || got != want || !strings.Contains(got, "X") {
			t.Errorf("%q shows %q, want %q", p, got, want)
		}
	}
}

// A program that moves the cursor on the normal screen has its exact screen at any moment, also while the ring has all of it.
func TestMomentOfAProgramInTheRing(t *testing.T) {
	t.Parallel()
	f := servePast(t, broadcaster.Options{Lines: 100_000}, 64<<20)
	f.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	all := "before the program\r\n\x1b[H\x1b[2J"
	f.Write([]byte(all))
	for n := range 300 { // few, since drawing them again may not take long
		frame := "\x1b[H"
		for row := range 9 {
			frame += fmt.Sprintf("%d of row %d\x1b[K\r\n", n, row)
		}
		f.Write([]byte(frame))
		if all += frame; n%100 == 0 {
			f.followed()
		}
	}
	f.followed()
	if end := f.hub.History.End().Offset; end != 0 {
		t.Fatalf("the history has %d bytes", end)
	}
	random := rand.New(rand.NewPCG(4, 4))
	for range 10 {
		at := 1000 + random.IntN(len(all)-1000)
		p, ok := f.hub.screenAt(int64(at), nil)
		got, _ := shown(t, string(p)+"X")
		if want, _ := shown(t, all[:at]+"X"); !ok || got != want || !strings.Contains(got, "of row") {
			t.Errorf("at %d: %q, want %q (%v)", at, got, want, ok)
		}
	}
}

// A viewer that has left doesn't wait for a screen, and other places don't either.
func TestMomentsWaitForNobody(t *testing.T) {
	t.Parallel()
	f := servePast(t, broadcaster.Options{}, 64<<20)
	f.Write([]byte("one\r\n\x1b[?1049hprogram"))
	f.followed()
	for range cap(f.hub.moments) {
		f.hub.moments <- struct{}{}
	}
	gone := make(chan struct{})
	close(gone)
	if p, ok := f.hub.screenAt(f.hub.Stream.Stats().End, gone); ok {
		t.Errorf("a viewer that has left gets %q", p)
	}
	if p, ok := f.hub.screenAt(3, nil); ok {
		t.Errorf("a screen without a program: %q", p)
	}
}

// The state is known at each place that the ring still has for the history, too.
func TestStateWhereTheHistoryIsBehind(t *testing.T) {
	t.Parallel()
	f := servePastAfter(t, broadcaster.Options{Lines: 100, Bytes: 100 << 10}, 64<<20, time.Hour)
	var places [8]int64
	for color := range places {
		f.Write(fmt.Appendf(nil, "\x1b[3%dm", color))
		f.Write([]byte(strings.Repeat("a line of this color\r\n", 10_000)))
		f.followed()
		places[color] = f.hub.Stream.Stats().End - 1000
	}
	for color, offset := range places {
		if got, want := string(f.hub.pointAt(offset).prelude()), fmt.Sprintf("\x1b[0;3%dm", color); got != want {
			t.Errorf("at %d: %q, want %q", offset, got, want)
		}
	}
}
