package hub

import (
	"context"
	"sync"

	"wsrun/history"
)

// A filler fills the history of a stream. A nil filler is one for a stream that has none.
type filler struct {
	log     *history.Log
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutine
}

// newFiller returns a filler of log, which may be nil, and starts a goroutine that ends with the stream.
// The caller must call close, which waits for it.
func newFiller(log *history.Log, panics *Panics) *filler {
	if log == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &filler{log: log, cancel: cancel}
	panics.KeepRunning(&f.running, "fill the history", func() { log.Fill(ctx) }, nil)
	return f
}

// close stops the filler and drops what the log has. It may be called more than once.
func (f *filler) close() {
	if f == nil {
		return
	}
	f.cancel()
	f.running.Wait()
	f.log.Close()
}
