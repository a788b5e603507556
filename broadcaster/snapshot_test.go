package broadcaster

import (
	"fmt"
	"strings"
	"testing"
)

// A snapshot stays the same, and its bytes can be read, however much is written meanwhile.
func TestSnapshotIsConsistent(t *testing.T) {
	b := New(Options{Lines: 2000, Bytes: 1 << 20})
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				fmt.Fprintf(b, "%099d\n", n)
			}
			if n%1000 == 0 {
				b.Emit(Resize{Cols: n, Rows: 1})
			}
		}
	}()
	for range 300 {
		s := b.Snapshot()
		st := s.Stats()
		_, start := s.Open(-1)
		parts, line, ok := s.Range(st.Start, st.End)
		all := ""
		for _, p := range parts {
			all += string(p)
		}
		if !ok || start.Offset != st.Start || start.End != st.End || start.Line != st.Line || line != st.Line || int64(len(all)) != st.End-st.Start ||
			int64(strings.Count(all, "\n")) != st.Lines {
			t.Fatalf("%+v, %+v, line %d, %d bytes", st, start, line, len(all))
		}
		for i, l := range strings.Split(strings.TrimSuffix(all, "\n"), "\n") {
			if all != "" && l != fmt.Sprintf("%099d", st.Line-1+int64(i)) {
				t.Fatalf("line %d is %q", st.Line+int64(i), l)
			}
		}
		if _, _, ok := s.At(st.End + 1); ok {
			t.Fatal("a snapshot reads what came later")
		}
	}
	close(stop)
	<-done
}
