package broadcaster

import (
	"fmt"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	line := fmt.Appendf(nil, "%099d\n", 0)
	for _, cursors := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint(cursors), func(b *testing.B) {
			bc := New(Options{})
			defer bc.Close()
			for range cursors {
				bc.Open(-1)
			}
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				bc.Write(line)
			}
		})
	}
}
