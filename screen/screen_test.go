package screen

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// screenOf returns a Screen that was shown p in pieces of n bytes.
func screenOf(t *testing.T, p string, n int) *Screen {
	s := New()
	t.Cleanup(s.Close)
	s.Resize(20, 5)
	for len(p) > 0 {
		k := min(n, len(p))
		s.Write([]byte(p[:k]))
		p = p[k:]
	}
	return s
}

// Slow output is followed in steps, none much longer than the deadline allows, and the
// screen is the same in the end.
func TestWriteUntil(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("\n", 2048), strings.Repeat("x\x1b[1000b", 200), strings.Repeat("\x1b[999S", 200),
		strings.Repeat("\x1bD", 1000), strings.Repeat("\x1b[?47h\x1b[?47l", 50), strings.Repeat("漢\n\u0301", 300),
	} {
		in = "\x1b[?1049h\x1b[H\x1b[24;1H" + in + "\x1b[?47hend"
		s, whole := New(), New()
		defer s.Close()
		defer whole.Close()
		s.Resize(80, 24)
		whole.Resize(80, 24)
		steps, longest, p := 0, time.Duration(0), []byte(in)
		for len(p) > 0 {
			begin := time.Now()
			n := s.WriteUntil(p, begin.Add(time.Millisecond/5))
			steps, longest = steps+1, max(longest, time.Since(begin))
			if p = p[n:]; n < 1 || s.Offset() != int64(len(in)-len(p)) {
				t.Fatalf("%.40q: took %d, offset %d", in, n, s.Offset())
			}
		}
		if steps < 6 || longest > 5*time.Second {
			t.Errorf("%.40q: %d steps, one took %v", in, steps, longest)
		}
		whole.Write([]byte(in))
		if a, b := s.Picture(), whole.Picture(); a.To != b.To || !bytes.Equal(a.Text, b.Text) {
			t.Errorf("%.40q: %d, %q, in one piece %d, %q", in, a.To, a.Text, b.To, b.Text)
		}
	}
}

// A sequence that began in an earlier write takes its bytes along.
func TestWriteUntilKeepsTail(t *testing.T) {
	s := screenOf(t, "\x1b[?1049h\x1b[3", 100)
	if n := s.WriteUntil([]byte("\x1b[Hx\x1b[2"), time.Now()); n != 3 || s.Offset() != 14 {
		t.Errorf("took %d, offset %d", n, s.Offset())
	}
}

func FuzzScreen(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(random(rand.New(rand.NewPCG(seed, 4))), seed)
	}
	f.Fuzz(func(t *testing.T, p []byte, seed uint64) {
		pieces(t, p, seed)
		s := New()
		defer s.Close()
		s.Resize(30, 6)
		half := len(p) / 2
		s.Write(p[:half])
		s.Picture()
		s.Resize(25, 9)
		s.Write(p[half:])
		if q := s.Picture(); s.Full() && q.To > int64(len(p)) {
			t.Errorf("picture at %d of %d", q.To, len(p))
		}
	})
}
