package cli

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"wsrun/broadcaster"
)

// A tee is a sink that passes everything on to another sink, and then copies the output
// to standard output for as long as that works. Its Write is the only one that waits for
// standard output; Emit does not.
type tee struct {
	broadcaster.Sink
	local   chan []byte // to the goroutine that writes; nil if there is no copy, or no longer
	written chan error  // one result for each item in local

	once      sync.Once
	abandoned chan struct{} // closed by abandon
}

// newTee returns a tee that copies to standard output unless quiet is true. It starts a
// goroutine that writes there. close ends the goroutine, but leaves it behind if it is
// stuck in a write.
func newTee(sink broadcaster.Sink, quiet bool) *tee {
	t := &tee{Sink: sink, abandoned: make(chan struct{})}
	if quiet {
		return t
	}
	local := make(chan []byte)
	t.local, t.written = local, make(chan error, 1)
	go func() {
		for p := range local {
			_, err := blockingFile{os.Stdout}.Write(p)
			t.written <- err
		}
	}()
	return t
}

// Write implements [io.Writer]. It returns only the other sink's errors. An error of
// standard output is printed once and ends the copy; EPIPE is not even printed, because
// it means that the reader has seen enough.
func (t *tee) Write(p []byte) (int, error) {
	if _, err := t.Sink.Write(p); err != nil {
		return 0, err
	}
	if t.local == nil {
		return len(p), nil
	}
	// Copy p: a write that was abandoned may read it later.
	t.local <- append([]byte(nil), p...)
	select {
	case err := <-t.written:
		if err == nil {
			return len(p), nil
		}
		if !errors.Is(err, syscall.EPIPE) {
			say("write standard output: %v", cause(err))
		}
	case <-t.abandoned:
		say("standard output takes nothing: left the rest out")
	}
	t.close()
	return len(p), nil
}

// abandon makes a write to standard output the last one: the write that is in progress,
// or the next one that blocks. It may be called at any time, and more than once.
func (t *tee) abandon() { t.once.Do(func() { close(t.abandoned) }) }

// close ends the goroutine. It must not be called concurrently with Write.
func (t *tee) close() {
	if t.local != nil {
		close(t.local)
		t.local = nil
	}
}
