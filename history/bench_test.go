package history

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"wsrun/broadcaster"
)

// newBench returns a stream of the given number of MiB that has ended, with its history in memory or on disk
// as the system decides.
func newBench(b *testing.B, mib int) *stream {
	s := New(Options{Delay: time.Millisecond, Bytes: int64(mib+mib/8+16) << 20, Dirs: []string{os.TempDir()}, Report: func(err error) { b.Error(err) }})
	b.Cleanup(func() { s.Close() })
	r := follow(b, s, broadcaster.Options{})
	var p []byte
	for n := 0; len(p) < 1<<20; n++ {
		p = fmt.Appendf(p, "%099d\n", n)
	}
	for range mib {
		r.Write(p)
		r.settle()
	}
	r.end()
	return r
}

// BenchmarkFill measures writing a flood of lines with and without a history.
func BenchmarkFill(b *testing.B) {
	line := fmt.Appendf(nil, "\x1b[32m%089d\x1b[m\n", 0)
	var p []byte
	for len(p) < 32<<10 {
		p = append(p, line...)
	}
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("history=%v", kept), func(b *testing.B) {
			r := &stream{Broadcaster: broadcaster.New(broadcaster.Options{})}
			if kept {
				s := New(Options{Delay: time.Millisecond, Dirs: []string{os.TempDir()}, Report: func(err error) { b.Error(err) }})
				defer s.Close()
				r = follow(b, s, broadcaster.Options{})
			}
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				r.Write(p)
				for kept && r.Stats().End-r.log.End().Offset > 8<<20 { // so that all of it is kept
					moved := r.log.Moved()
					if r.Stats().End-r.log.End().Offset > 8<<20 {
						<-moved
					}
				}
			}
			r.Close()
			r.filled.Wait()
		})
	}
}

// BenchmarkFollow measures reading all of a history through a cursor.
func BenchmarkFollow(b *testing.B) {
	r := newBench(b, 256)
	end := r.Stats().End
	b.SetBytes(end)
	for b.Loop() {
		c, _, _ := r.Past(0)
		for c.Offset() < end {
			if item, err := c.Next(b.Context()); err != nil || item.Reset != nil {
				b.Fatal(item, err)
			}
		}
	}
}

// BenchmarkLine measures finding a line by its number, and its first bytes.
func BenchmarkLine(b *testing.B) {
	r := newBench(b, 256)
	rng := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		place, err := r.log.Line(1 + rng.Int64N(2_600_000))
		if err == nil {
			_, err = r.log.Output(place.Offset)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkState measures finding the terminal's state at an offset.
func BenchmarkState(b *testing.B) {
	r := newBench(b, 256)
	rng := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		if _, _, err := r.log.State(rng.Int64N(r.log.End().Offset)); err != nil {
			b.Fatal(err)
		}
	}
}
