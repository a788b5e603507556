package history

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
)

// A stream is a broadcaster with a history, and all that was written to it.
type stream struct {
	*broadcaster.Broadcaster
	log    *Log
	filled sync.WaitGroup // Fill
}

// follow returns a stream whose history is in s.
func follow(t testing.TB, s *Store, o broadcaster.Options) *stream {
	b := &stream{Broadcaster: broadcaster.New(o)}
	b.log = s.Follow(b.Broadcaster)
	ctx, cancel := context.WithCancel(context.Background())
	b.filled.Go(func() { b.log.Fill(ctx) })
	t.Cleanup(func() {
		cancel()
		b.filled.Wait()
		b.log.Close()
	})
	return b
}

// newStore returns a store with its file in a directory; its problems fail the test.
func newStore(t testing.TB, dir string, size int64) *Store {
	s := New(Options{Delay: time.Millisecond, Bytes: size, Dirs: []string{dir}, Report: func(err error) { t.Errorf("reported: %v", err) }})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// feed writes output in pieces of random sizes, and waits now and then until the history has it.
func (b *stream) feed(t testing.TB, rng *rand.Rand, output []byte) {
	t.Helper()
	for at, since := 0, 0; at < len(output); {
		n := min(1+rng.IntN(40_000), len(output)-at)
		if _, err := b.Write(output[at : at+n]); err != nil {
			t.Fatal(err)
		}
		at += n
		if since += n; since > 2<<20 {
			b.settle()
			since = 0
		}
	}
}

// settle waits until the history has all output but for a block.
func (b *stream) settle() {
	b.Flush()
	for moved := b.log.Moved(); b.Stats().End-b.log.End().Offset >= 2*blockSize; moved = b.log.Moved() {
		<-moved
	}
}

// end closes the stream and waits until its history has all of it.
func (b *stream) end() {
	b.Close()
	b.filled.Wait()
}

// lines returns about size bytes of numbered lines with colours.
func lines(rng *rand.Rand, size int) []byte {
	var p []byte
	for n := 1; len(p) < size; n++ {
		p = fmt.Appendf(p, "\x1b[3%dm%d\x1b[0m %0*d\n", n%8, n, rng.IntN(150), n)
	}
	return p
}

// collect reads everything at a cursor, and checks each byte against the output.
func collect(c *broadcaster.Cursor, output []byte) error {
	for at := c.Offset(); ; {
		item, err := c.Next(context.Background())
		switch {
		case err == io.EOF && at == int64(len(output)):
			return nil
		case err != nil:
			return fmt.Errorf("at %d of %d: %w", at, len(output), err)
		case item.Reset != nil:
			return fmt.Errorf("at %d: reset %+v", at, *item.Reset)
		case !bytes.HasPrefix(output[at:], item.Data):
			return fmt.Errorf("wrong bytes at %d", at)
		}
		at += int64(len(item.Data))
	}
}

func TestACursorThatFallsBehindLosesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	output := lines(rng, 24<<20)
	b := follow(t, newStore(t, t.TempDir(), 64<<20), broadcaster.Options{Lines: 1000})
	c, _ := b.Open(-1)
	b.feed(t, rng, output)
	b.end()
	if _, _, err := c.Poll(); err != broadcaster.ErrBehind {
		t.Fatalf("Poll: %v", err)
	}
	if err := collect(c, output); err != nil {
		t.Error(err)
	}
}
