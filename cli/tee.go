package cli

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// A tee writes to viewers first and then, as long as that works, to standard
// output. It is the only one that waits for standard output.
type tee struct {
	viewers io.Writer
	local   chan []byte // to the goroutine that writes; nil when none is wanted, or it has failed
	written chan error  // its answers

	once      sync.Once
	abandoned chan struct{}
}

// newTee starts a goroutine that writes to standard output, unless o wants quiet.
// It ends with close; if it is stuck in a write then, that is left behind.
func newTee(viewers io.Writer, o options) *tee {
	t := &tee{viewers: viewers, abandoned: make(chan struct{})}
	if o.quiet {
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

// Write implements [io.Writer]. Only viewers' errors are returned.
func (t *tee) Write(p []byte) (int, error) {
	if _, err := t.viewers.Write(p); err != nil {
		return 0, err
	}
	if t.local == nil {
		return len(p), nil
	}
	// A copy, since a write that is abandoned still reads it.
	t.local <- append([]byte(nil), p...)
	select {
	case err := <-t.written:
		if err == nil {
			return len(p), nil
		}
		if !errors.Is(err, syscall.EPIPE) { // else whoever read it has enough
			say("write standard output: %v", cause(err))
		}
	case <-t.abandoned:
		say("standard output takes nothing: left the rest out")
	}
	t.close()
	return len(p), nil
}

// abandon lets a write to standard output that is under way, or the next one that
// blocks, be the last. It may be called at any time, and more than once.
func (t *tee) abandon() { t.once.Do(func() { close(t.abandoned) }) }

// close ends the goroutine. It may not be called together with Write.
func (t *tee) close() {
	if t.local != nil {
		close(t.local)
		t.local = nil
	}
}
