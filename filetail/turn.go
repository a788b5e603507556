package filetail

import (
	"cmp"
	"context"
	"io"
)

// smallPiece is how much, in bytes, Follow copies without a turn. Most of what is appended to a file
// between two reads is less, so a Follow that is up to date doesn't depend on others that aren't.
const smallPiece = 4 << 10

// A turn is a Follow's permission to use a processor; see [FollowOptions]. Without turns, Follow always has
// one.
type turn struct {
	turns chan struct{}
	taken bool
}

// take waits for the turn. The error is ctx's.
func (t *turn) take(ctx context.Context) error {
	if t.turns == nil {
		return nil
	}
	select {
	case t.turns <- struct{}{}:
		t.taken = true
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
