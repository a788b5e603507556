package hub

import (
	"context"
	"sync"
)

// A filler fills the history of a stream. A nil filler is one for a stream that has none.
type filler struct {
	history History
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutine
}

// newFiller returns a filler of a history, which may be nil, and starts a goroutine that ends with the stream.
// The caller must call close, which waits for it.
func newFiller(history History, panics *Panics) *filler {
	if history == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &filler{history: history, cancel: cancel}
	panics.KeepRunning(&f.running, "fill the history", func() { history.Fill(ctx) }, nil)
	return f
}

// close stops the filler and drops what the history has. It may be called more than once.
func (f *filler) close() {
	if f == nil {
		return
	}
	f.cancel()
	f.running.Wait()
	f.history.Close()
}
