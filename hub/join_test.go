package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/ptyproc"
	"wsrun/screen"
	"wsrun/test/wait"
)

// followed waits until the screen has followed all that was written.
func (b *fixture) followed() {
	b.t.Helper()
	b.Flush()
	late := b.hub.joins
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		late.mu.Lock()
		at := late.screen.Offset()
		late.mu.Unlock()
		if at == b.Stats().End {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the screen is at %d of %d", at, b.Stats().End)
		}
	}
}

// join returns a new viewer and its hello.
func (b *fixture) join(query string) (*client.Viewer, protocol.HelloEvent) {
	b.t.Helper()
	v := b.dial(query, "wsrun.v1")
	return v, b.hello(v)
}

// hello returns the hello of a viewer that has read nothing.
func (b *fixture) hello(v *client.Viewer) protocol.HelloEvent {
	b.t.Helper()
	m, err := v.Next(b.t.Context())
	hello, ok := m.Event.(protocol.HelloEvent)
	if err != nil || !ok {
		b.t.Fatalf("got %q, %v", m.Payload, err)
	}
	return hello
}

// shown returns the text that a terminal shows, and its state, after what it was
// written.
func shown(t *testing.T, written string) (string, screen.State) {
	s := screen.New()
	defer s.Close()
	s.Resize(40, 10)
	io.WriteString(s, written+"\x1b[m")
	state, at := s.StateAt(int64(len(written) + 3))
	state.Scan([]byte(written + "\x1b[m")[at:])
	return string(s.Picture().Text), state
}

func TestLateJoinersGetTheColors(t *testing.T) {
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

// Late viewers get the colours however fast the output is: 100 MB/s here, of which few
// lines are kept. To follow takes no time: the clock is not real.
func TestTheScreenKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broadcaster.New(broadcaster.Options{Lines: 10})
		l := newJoinTracker(b)
		defer l.close()
		const chunk = 100_000 // bytes of a colour, and of each millisecond
		color := func(n int64) string { return fmt.Sprintf("\x1b[0;3%dm", 1+n%7) }
		for n := range int64(100) {
			text := color(n)
			b.Write([]byte(text + strings.Repeat("y\n", (chunk-len(text))/2)))
			time.Sleep(time.Millisecond)
			o := l.open(Position{Lines: -1, Offset: -1}, true)
			start := o.start
			if want := color(start.Offset / chunk); string(o.prelude) != want {
				t.Fatalf("at %d: %q, want %q", start.Offset, o.prelude, want)
			}
		}
	})
}

// No backlog begins within a sequence, however long the line is.
func TestTheRingNeverBeginsWithinASequence(t *testing.T) {
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

// sequenceOnce tells whether the color is chosen once, in one of its two forms.
func sequenceOnce(s string) bool {
	return strings.Count(s, "\x1b[38;2;100;200;30m")+strings.Count(s, "\x1b[0;38;2;100;200;30m") == 1 && strings.Count(s, "38") == 1
}

func TestLateJoinersGetThePicture(t *testing.T) {
	lines := "one\r\n\x1b[32mtwo\r\n$ vim\r\n"
	program := "\x1b[?1049h\x1b[H\x1b[2J\x1b[44mhello\x1b[3;5H\x1b[1mworld\x1b[?25l\x1b[5;6r\x1b[5;1H"
	after := "\x1b[5;3Hmore\x1b[m"
	for _, ring := range []int{1 << 20, 600} { // the ring has, and has not, the lines
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

		// It ends, and has left no trace but its colors.
		write("\x1b[?1049l\x1b[r\x1b[?25h$ ")
		b.end(0)
		_, hello = b.join("")
		rest, _ := watch(b.dial("", "wsrun.v1"), -1)
		_, want = shown(t, all)
		if _, got := shown(t, hello.Prelude+string(rest.data)); got != want {
			t.Errorf("in the end %+v, want %+v", got, want)
		}
		if !strings.Contains(hello.Prelude+string(rest.data), lines) {
			t.Errorf("in the end: %q, then %q", hello.Prelude, rest.data)
		}
	}
}

// A viewer that fell out of the ring is put right by the same prelude.
func TestAfterAGap(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 10})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	for _, program := range []bool{false, true} {
		v := &viewer{hub: b.hub, v1: true}
		_, gap := b.Open(-1)
		if program {
			b.Write([]byte("\x1b[?1049h\x1b[Hhello\x1b[K"))
			b.followed()
		} else {
			b.Write([]byte("\x1b[35m" + strings.Repeat("line\r\n", 100)))
			b.followed()
			_, gap = b.Open(-1)
		}
		gap.SkippedBytes, gap.SkippedLines = gap.Offset-3, gap.Line-1
		o := v.hub.joins.reopen(gap, true)
		cursor, start := o.cursor, o.start
		if program {
			text, _ := shown(t, string(o.prelude))
			if text != "hello\n" || start.Offset != b.Stats().End || start.SkippedLines != 0 || o.kept.Line != 1 || o.kept.Offset != 0 {
				t.Errorf("in a program: %q, %+v, %+v", text, start, o.kept)
			}
			continue
		}
		item, err := cursor.Next(context.Background())
		if string(o.prelude) != "\x1b[0;35m" || start.SkippedLines != 90 || start.SkippedBytes != 5+90*6-3 || len(item.Data) != 10*6 || err != nil {
			t.Errorf("after a gap: %q, %+v, then %q", o.prelude, start, item.Data)
		}
	}
}

// A size that was told where a picture ends, and after it was made, is told to those
// who get that picture.
func TestLateJoinersGetTheSize(t *testing.T) {
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

// Output that takes the emulator seconds is followed in smaller steps, so that who
// joins, or ends it all, does not wait for long.
func TestASlowEmulator(t *testing.T) {
	stream := broadcaster.New(broadcaster.Options{})
	stream.Emit(broadcaster.Resize{Cols: 120, Rows: 30})
	in := "\x1b[?1049h\x1b[H" + strings.Repeat("x\x1b[1000b", 1800)
	stream.Write([]byte(in))
	late := newJoinTracker(stream)
	wait.For(t, wait.Patience, "nothing is followed", func() bool {
		late.mu.Lock()
		defer late.mu.Unlock()
		return late.screen.Offset() > 0
	})
	late.close()
	if at := late.screen.Offset(); at >= screenStep {
		t.Errorf("closed at %d of %d", at, len(in))
	}
}

// Nor does whoever asks how many programs could not be followed.
func TestAbandonedWaitsForNoScreen(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Emit(broadcaster.Resize{Cols: 10_000, Rows: 10_000})
	b.Write([]byte("\x1b[?1049h"))
	b.followed()
	b.hub.joins.mu.Lock()
	defer time.AfterFunc(wait.Patience, b.hub.joins.mu.Unlock).Stop()
	n := b.hub.Abandoned()
	if b.hub.joins.mu.TryLock() {
		t.Error("it has waited")
	}
	b.hub.joins.mu.Unlock()
	if n != 1 {
		t.Errorf("%d programs were abandoned, want 1", n)
	}
}

// However fast the output is, and however little the ring keeps of it.
func TestLateJoinersInAFlood(t *testing.T) {
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

// Where what happened since can't be known, the last state known is more than none.
func TestLateJoinersOfALostScreen(t *testing.T) {
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

// Kept lines begin with a whole line, or if there is none with a whole character, and
// lose none.
func TestKeptLinesAreWhole(t *testing.T) {
	long := strings.Repeat("é", 30_000) + "\r\n"
	for _, tt := range []struct{ lines, want string }{
		{strings.Repeat("x", 8000) + "\r\n" + long + long, long},
		{strings.Repeat("grün €\r\n", 15_000), strings.Repeat("grün €\r\n", keptBytes/11)},
		{strings.Repeat("é", 50_000) + "x", strings.Repeat("é", keptBytes/2-1) + "x"},
		{"caf\xe9 \xe2\x82 noir\r\n", "caf  noir\r\n"},
	} {
		b := serve(t, broadcaster.Options{Bytes: 600})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(tt.lines + "\x1b[?1049h\x1b[Hhello"))
		b.followed()
		b.Write([]byte(strings.Repeat("\x1b[8;8H0123456789", 100)))
		b.followed()
		_, hello := b.join("")
		if kept := hello.Kept.Of(hello.Prelude); kept != tt.want {
			t.Errorf("%d bytes: kept %d: %.20q; want %d", len(tt.lines), len(kept), kept, len(tt.want))
		}
	}
}

// A plain viewer is not to miss what is not UTF-8.
func TestPlainViewersOfKeptLines(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	b.Write([]byte("caf\xe9 noir\r\n\x1b[?1049h\x1b[Hhello"))
	b.followed()
	if m, err := b.dial("").Next(t.Context()); !strings.HasPrefix(string(m.Payload), "caf\uFFFD noir\r\n") {
		t.Errorf("plain: %q, %v", m.Payload, err)
	}
}

// While a program fills the screen, and as long as the lines asked for reach back
// before one, all forms give as many of those before it, whether or not the ring does.
func TestLinesBeforeAProgram(t *testing.T) {
	lines := []string{"one", "\x1b[32mtwo", "three"}
	for _, ring := range []int{1 << 20, 600} {
		b := serve(t, broadcaster.Options{Bytes: ring})
		b.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
		b.Write([]byte(strings.Join(lines, "\r\n") + "\r\n\x1b[?1049h\x1b[H"))
		b.followed()
		b.Write([]byte(strings.Repeat("\x1b[Hhello\r\n\x1b[2;1Hworld\r\n", 50)))
		b.followed()
		check := func(n string, last int) {
			t.Helper()
			want := strings.Join(lines[3-last:], "\r\n")
			if last > 0 {
				want += "\r\n"
			}
			_, hello := b.join("?n=" + n)
			if kept := hello.Kept.Of(hello.Prelude); kept != want {
				t.Errorf("ring %d, n=%s: kept %q, want %q", ring, n, kept, want)
			}
			if last > 0 && (hello.Kept.Line != int64(4-last) || hello.Times[0][0] > hello.Kept.Offset && ring > 600) {
				t.Errorf("ring %d, n=%s: %+v, times %v", ring, n, hello.Kept, hello.Times)
			}
			if !strings.Contains(hello.Prelude, "32m") {
				t.Errorf("ring %d, n=%s: %q", ring, n, hello.Prelude)
			}
		}
		for n := range 5 {
			check(fmt.Sprint(n), min(n, 3))
		}
		check("all", 3)
		b.Write([]byte("\x1b[?1049l"))
		b.followed()
		check("1", 1)
		b.Write([]byte("four\r\n$ "))
		b.followed()
		check("0", 0)
		check("1", 0)
		check("3", 1)
	}
}

// A program's picture is no other's.
func TestTwoProgramsInShort(t *testing.T) {
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

// A picture that shows all is not made again.
func TestRowsAreShared(t *testing.T) {
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

// Nobody begins within a character, be it a control character.
func TestNobodyBeginsWithinACharacter(t *testing.T) {
	for _, char := range []string{"©", "€", "😀"} {
		for n := 1; n < len(char); n++ {
			b := serve(t, broadcaster.Options{})
			b.Write([]byte("price: \x1b[1m" + char[:n]))
			b.followed()
			c, hello := b.join("?n=0")
			b.Write([]byte(char[n:] + " x\r\n"))
			b.end(0)
			r, err := watch(c, -1)
			if hello.Prelude != "\x1b[0;1m" || string(r.data) != char+" x\r\n" || err != nil {
				t.Errorf("%q: %q, then %q, %v", char[:n], hello.Prelude, r.data, err)
			}
		}
	}
}

// Whatever is being written meanwhile, a picture and what follows it are the whole.
func TestJoinsWhileAProgramDraws(t *testing.T) {
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
			r, err := watch(c, -1)
			if err != nil || len(r.events) != 1 {
				t.Errorf("%q, %v", r.events, err)
			}
			seen <- [2]string{hello.Prelude + string(r.data), fmt.Sprint(hello.Offset + int64(len(r.data)))}
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

// BenchmarkFlood is the time in which a viewer gets 200,000 lines from a terminal;
// ratio is how much longer that takes when the screen is followed, the median of the
// pairs. The ring keeps all, so that a viewer which is late misses nothing.
func BenchmarkFlood(b *testing.B) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		b.Fatal(err)
	}
	flood := func(follow bool) time.Duration {
		s := serve(b, broadcaster.Options{Lines: 200_000, Bytes: 20 << 20})
		if !follow {
			s.hub.joins.close()
		}
		c := s.dial("", "wsrun.v1")
		p, err := ptyproc.Start(ptyproc.Options{Path: shell, Args: []string{"sh", "-c", "yes " + strings.Repeat("x", 98) + " | head -n 200000"}, Env: os.Environ(), Cols: 120, Rows: 30})
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		go func() {
			p.Run(s.Broadcaster)
			s.end(0)
		}()
		r, err := watch(c, -1)
		if len(r.data) != 200_000*100 || err != nil {
			b.Fatalf("%d bytes, %q, %v", len(r.data), r.events, err)
		}
		return time.Since(begin)
	}
	var ratios []float64
	for b.Loop() {
		without := flood(false)
		ratios = append(ratios, float64(flood(true))/float64(without))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}

// Nor does any other: what is cut off is part of the prelude.
func TestNobodyBeginsWithinASequence(t *testing.T) {
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
		wait.For(t, wait.Patience, "not all are here", func() bool { return b.sessions.Tallies()[formOf(false)].Now == 1 })
		b.Write([]byte(tt.after))
		b.end(0)
		r, err := watch(c, -1)
		_, want := shown(t, tt.before+tt.after)
		if _, got := shown(t, hello.Prelude+string(r.data)); got != want || err != nil || !strings.HasSuffix(string(r.data), tt.after) {
			t.Errorf("%.20q: %q, then %q, %v", tt.before, hello.Prelude, r.data, err)
		}
		all, _ := watch(plain, -1)
		if _, got := shown(t, string(all.data)); got != want {
			t.Errorf("%.20q: plain %q", tt.before, all.data)
		}
	}
}

// A plain viewer that fell out of the ring can't be told, but gets the colors.
func TestAPlainViewerAfterAGap(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 10})
	c := b.dialSlow()
	b.Write([]byte("begin\n"))
	wait.For(t, wait.Patience, "it is not there", func() bool { return b.sessions.Tallies()[FormPlain].Now == 1 })
	b.Write([]byte("\x1b[35m"))
	b.followed()
	for range 200 {
		b.Write([]byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)))
	}
	b.followed()
	b.end(0)
	r, _ := watch(c, -1)
	all := r.data
	if at := bytes.LastIndex(all, []byte("\x1b[0;35m")); at < 0 || len(all) > 100_000*200 || !bytes.HasSuffix(all, []byte("x\n")) || all[at+7] != 'x' {
		t.Errorf("%d bytes, the colors at %d", len(all), at)
	}
}

// A joining viewer gets the last 4,096 times of the lines that it gets, and who joins at the
// same moment shares them.
func TestTimesAreBounded(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 10_000})
	const chunks = 6000
	begin := time.UnixMilli(1_700_000_000_000)
	for n := range chunks {
		b.Publish(fmt.Appendf(nil, "line %d\r\n", n), begin.Add(time.Duration(n)*time.Millisecond))
	}
	b.followed()
	_, hello := b.join("")
	if n := len(hello.Times); n != maxTimes || hello.Line != 1 {
		t.Fatalf("%d times from line %d, want %d from line 1", n, hello.Line, maxTimes)
	}
	first, last := hello.Times[0], hello.Times[maxTimes-1]
	if want := begin.UnixMilli() + chunks - 1; last[1] != want || first[1] != want-maxTimes+1 || last[0] != b.Stats().End-int64(len("line 5999\r\n")) {
		t.Errorf("times from %v to %v", first, last)
	}
	if _, hello = b.join("?n=10"); len(hello.Times) != 10 {
		t.Errorf("n=10: %d times", len(hello.Times))
	}
	all := Position{Lines: -1, Offset: -1}
	one, other := b.hub.joins.open(all, true), b.hub.joins.open(all, true)
	if &one.times[0] != &other.times[0] || &one.quoted[0] != &other.quoted[0] {
		t.Error("two that join at the same moment have what they get encoded twice")
	}
	if plain := b.hub.joins.open(all, false); plain.times != nil {
		t.Error("times are encoded for a viewer that gets none")
	}
	b.Publish([]byte("more\r\n"), begin.Add(time.Hour))
	if later := b.hub.joins.open(all, true); !bytes.HasSuffix(later.times, fmt.Appendf(nil, ",%d]]", begin.Add(time.Hour).UnixMilli())) {
		t.Errorf("times end with %s", later.times[len(later.times)-40:])
	}
}

// Everything that a joining viewer gets is of one moment, whatever is written meanwhile.
func TestAJoinIsOneLook(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 500})
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				b.Publish(fmt.Appendf(nil, "%099d\n", n), time.UnixMilli(int64(n)))
			}
		}
	})
	defer flood.Wait()
	defer close(stop)
	for range 300 {
		s := b.hub.joins.open(Position{Lines: 100, Offset: -1}, true)
		var times [][2]int64
		if err := json.Unmarshal(s.times, &times); err != nil {
			t.Fatal(err)
		}
		lines := (s.start.End - s.start.Offset) / 100
		if s.start.Line != s.start.Offset/100+1 || int64(len(times)) != lines || lines > 0 && (times[0] != [2]int64{s.start.Offset, s.start.Offset / 100}) {
			t.Fatalf("from %d to %d in line %d, %d times from %v", s.start.Offset, s.start.End, s.start.Line, len(times), times[:min(len(times), 1)])
		}
	}
}
