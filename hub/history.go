package hub

import (
	"context"
	"iter"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/screen"
)

// A History has the output that a stream's ring has dropped: [history.Log] for a command or a pipe; the file itself for a file. Its
// methods may be called concurrently, and may wait for a disk. Their errors are [history.ErrGone] and [history.ErrAhead], and
// what they return is as history.Log says.
type History interface {
	broadcaster.History

	// Fill makes the history ready for what the ring drops, until the stream has ended or ctx is done. It is called again
	// after a panic.
	Fill(ctx context.Context)
	Close()

	First() (first history.Place, ok bool)
	End() history.Place
	Next(offset int64) history.Place
	Line(n int64) (history.Place, error)
	LineFrom(offset int64) (history.Place, error)
	Since(ms int64) (history.Place, error)

	ReadAt(p []byte, offset int64) (int, error)
	State(offset int64) (state screen.State, head []byte, err error)
	Stamps(from, to int64) iter.Seq2[broadcaster.Stamp, error]
	HasPicture(offset int64) (at int64, ok bool)
	Picture(offset int64) (history.Picture, error)
}

// A pictureStore is a [History] that keeps pictures of programs that fill the screen.
type pictureStore interface {
	NeedsPicture(offset int64) bool
	AddPicture(p screen.Picture)
}
