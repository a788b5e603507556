package broadcaster

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// BenchmarkWrite measures writing a line while different numbers of cursors wait for it.
func BenchmarkWrite(b *testing.B) {
	line := fmt.Appendf(nil, "%099d\n", 0)
	for _, cursors := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint(cursors), func(b *testing.B) {
			bc := New(Options{})
			var reading sync.WaitGroup
			for range cursors {
				cursor, _ := bc.Open(-1)
				reading.Go(func() {
					for err := error(nil); err == nil; {
						_, err = cursor.Next(context.Background())
					}
				})
			}
			defer reading.Wait()
			defer bc.Close()
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				bc.Write(line)
			}
		})
	}
}

// BenchmarkPoll measures what a chunk of one line costs the writer and a cursor. The cursor
// polls twice, and finds nothing the second time.
func BenchmarkPoll(b *testing.B) {
	line := fmt.Appendf(nil, "%099d\n", 0)
	bc := New(Options{})
	defer bc.Close()
	cursor, _ := bc.Open(0)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		bc.Write(line)
		bc.Flush()
		for wait := (<-chan struct{})(nil); wait == nil; {
			_, wait, _ = cursor.Poll()
		}
	}
}
