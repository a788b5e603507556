//go:build unix

package ptyproc

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wsrun/internal/rawsys"
)

// read copies the command's output until no process has the terminal open, or until the
// read deadline. While this process has the slave open, an error can't mean the end: the
// system is short of some resource, and the command would block if reading stopped.
func (p *Proc) read(out io.Writer) {
	for {
		closed := p.closed.Load()
		_, err := io.Copy(out, rawsys.Reader(p.master))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.readRest(out)
			return
		case errors.Is(err, os.ErrClosed), closed && (err == nil || errors.Is(err, syscall.EIO)):
			return
		case closed == p.closed.Load():
			time.Sleep(retryTime)
		}
	}
}

// readRest copies the output that is still in the terminal at the read deadline, which is
// at most the kernel's buffer. There is some if w was slow.
func (p *Proc) readRest(w io.Writer) {
	b := make([]byte, 64<<10)
	control(p.master, func(fd int) error {
		for rest := len(b); rest > 0; {
			n, err := unix.Read(fd, b[:rest])
			if n <= 0 {
				return err
			}
			w.Write(b[:n])
			rest -= n
		}
		return nil
	})
}

// A gate is a writer that passes writes on until it is closed, and ignores their errors.
type gate struct {
	mu     sync.Mutex
	w      io.Writer
	busy   atomic.Bool // a write is in progress
	closed bool
}

// Write implements [io.Writer].
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, io.ErrClosedPipe
	}
	g.busy.Store(true)
	g.w.Write(p)
	g.busy.Store(false)
	return len(p), nil
}

// close returns when no write is in progress. Later writes fail.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}
