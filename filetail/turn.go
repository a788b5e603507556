package filetail

import (
	"cmp"
	"context"
	"io"
	"time"
)

const (
	// smallPiece is how much, in bytes, Follow writes without a turn. Most of what is appended to a file
	// between two reads is less, so a Follow that is up to date doesn't depend on others that aren't. It is
	// also how much Follow writes at once: a filter may take 10 ms for a line.
	smallPiece = 4 << 10
	// turnTime is how long a turn lasts if others may be waiting.
	turnTime = 10 * time.Millisecond
)

// A turn is a Follow's permission to use a processor; see [FollowOptions]. Without turns, Follow always has
// one.
type turn struct {
	turns chan struct{}
	taken bool
	since time.Time // when it was taken
}

// take waits for the turn. If it has lasted for turnTime, others have theirs before. The error is ctx's.
func (t *turn) take(ctx context.Context) error {
	if t.turns == nil || t.taken && time.Since(t.since) < turnTime {
		return ctx.Err()
	}
	t.end()
	select {
	case t.turns <- struct{}{}:
		t.taken, t.since = true, time.Now()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end returns the turn, if it was taken.
func (t *turn) end() {
	if t.taken {
		t.taken = false
		<-t.turns
	}
}

// reader returns a reader of f that has the turn between its reads, but not while it reads. The caller
// must call end.
func (t *turn) reader(ctx context.Context, f io.ReaderAt) io.ReaderAt {
	return readFunc(func(p []byte, offset int64) (int, error) {
		t.end()
		n, err := f.ReadAt(p, offset)
		return n, cmp.Or(t.take(ctx), err)
	})
}

type readFunc func(p []byte, offset int64) (int, error)

// ReadAt implements [io.ReaderAt].
func (f readFunc) ReadAt(p []byte, offset int64) (int, error) { return f(p, offset) }
