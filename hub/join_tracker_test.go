package hub

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/broadcaster"
	"wsrun/ptyproc"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// The tracker knows the colors at every start, though the output arrives at 100 MB/s and the ring
// keeps few lines. The clock is fake: the tracker's own work takes no time.
func TestJoinTrackerKeepsUpWithFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broadcaster.New(broadcaster.Options{Lines: 10})
		tracker := newJoinTracker(b, nil, nil)
		defer tracker.close()
		const chunk = 100_000 // bytes of one color, written in one millisecond
		color := func(n int64) string { return fmt.Sprintf("\x1b[0;3%dm", 1+n%7) }
		for n := range int64(100) {
			text := color(n)
			b.Write([]byte(text + strings.Repeat("y\n", (chunk-len(text))/2)))
			time.Sleep(time.Millisecond)
			s := tracker.open(Position{Lines: -1, Offset: -1}, true)
			start := s.start
			if want := color(start.Offset / chunk); string(s.prelude) != want {
				t.Fatalf("at %d: %q, want %q", start.Offset, s.prelude, want)
			}
		}
	})
}

// Output that takes the emulator seconds is followed in small steps, so neither close nor a joining
// viewer waits long.
func TestJoinTrackerClosesDuringSlowOutput(t *testing.T) {
	stream := broadcaster.New(broadcaster.Options{})
	stream.Emit(broadcaster.Resize{Cols: 120, Rows: 30})
	in := "\x1b[?1049h\x1b[H" + strings.Repeat("x\x1b[1000b", 1800)
	stream.Write([]byte(in))
	tracker := newJoinTracker(stream, nil, nil)
	wait.For(t, wait.Patience, "the screen follows nothing", func() bool {
		tracker.mu.Lock()
		defer tracker.mu.Unlock()
		return tracker.screen.Offset() > 0
	})
	tracker.close()
	if at := tracker.screen.Offset(); at >= screenStep {
		t.Errorf("closed at %d of %d", at, len(in))
	}
}

// What made a screen panic is not scanned again: a viewer that begins before the new screen gets nothing
// that would have to be found there.
func TestNewScreenForgets(t *testing.T) {
	stream := broadcaster.New(broadcaster.Options{})
	tracker := newJoinTracker(stream, nil, nil)
	tracker.close() // the rest is for the test to do
	text := "one\r\n\x1b[31mtwo\r\n"
	stream.Write([]byte(text))
	stream.Flush()
	within := int64(len("one\r\n\x1b["))
	before := func() StartPoint { _, at := tracker.near(within); return at }
	if at := before(); at.Offset != within+int64(len("31m")) {
		t.Fatalf("the old screen: begins at %+v", at)
	}
	tracker.skip()
	if at := before(); at.Offset != within {
		t.Errorf("the new screen: begins at %+v, which was found behind a sequence", at)
	}
	if _, at := tracker.screen.StateAt(0); at != int64(len(text)) {
		t.Errorf("the new screen knows a state at %d", at)
	}
}

// Abandoned returns at once while the screen is locked.
func TestAbandonedDoesNotWaitForScreen(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Emit(broadcaster.Resize{Cols: 10_000, Rows: 10_000})
	b.Write([]byte("\x1b[?1049h"))
	b.followed()
	b.hub.joins.mu.Lock()
	defer time.AfterFunc(wait.Patience, b.hub.joins.mu.Unlock).Stop()
	n := b.hub.Abandoned()
	if b.hub.joins.mu.TryLock() {
		t.Error("Abandoned waited for the screen")
	}
	b.hub.joins.mu.Unlock()
	if n != 1 {
		t.Errorf("%d programs were abandoned, want 1", n)
	}
}

// BenchmarkFlood measures how long a viewer takes to get 200,000 lines from a terminal. The ratio
// is how much longer it takes when the screen is followed, as the median of all pairs. The ring
// keeps everything, so a slow viewer misses nothing.
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
		script := "yes " + strings.Repeat("x", 98) + " | head -n 200000"
		p, err := ptyproc.Start(ptyproc.Options{Path: shell, Args: []string{"sh", "-c", script}, Env: os.Environ(), Cols: 120, Rows: 30})
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		go func() {
			p.Run(s.Broadcaster)
			s.end(0)
		}()
		r, err := watch.Viewer(c, -1)
		if len(r.Data) != 200_000*100 || err != nil {
			b.Fatalf("%d bytes, %q, %v", len(r.Data), r.Events, err)
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
