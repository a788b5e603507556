package filetail

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A stopwatch is written lines that contain the times at which they were appended.
type stopwatch struct{ late []time.Duration }

func (s *stopwatch) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		nano, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
		if err != nil {
			return 0, err
		}
		s.late = append(s.late, time.Since(time.Unix(0, nano)))
	}
	return len(p), nil
}

// BenchmarkLatency appends 20 lines a second for 10 s. ms-p99 is the time between appending
// a line and Follow's copying it, by the system's events or by polling alone.
func BenchmarkLatency(b *testing.B) {
	for _, way := range []string{"events", "polling"} {
		b.Run(way, func(b *testing.B) {
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "a.log")
				f, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				o := FollowOptions{Open: func() (*os.File, error) { return os.Open(path) }, Path: path}
				if way == "events" {
					if o.Watcher, err = NewWatcher(nil); err != nil {
						b.Fatal(err)
					}
				}
				ctx, cancel := context.WithCancel(b.Context())
				out := &stopwatch{}
				done := make(chan struct{})
				go func() {
					defer close(done)
					Follow(ctx, out, o)
				}()
				const lines = 200
				for range lines {
					time.Sleep(50 * time.Millisecond)
					f.WriteString(strconv.FormatInt(time.Now().UnixNano(), 10) + "\n")
				}
				time.Sleep(2 * DefaultPoll)
				cancel()
				<-done
				f.Close()
				if o.Watcher != nil {
					o.Watcher.Close()
				}
				if len(out.late) != lines {
					b.Fatalf("%d lines, want %d", len(out.late), lines)
				}
				slices.Sort(out.late)
				b.ReportMetric(float64(out.late[lines*99/100].Microseconds())/1000, "ms-p99")
			}
		})
	}
}
