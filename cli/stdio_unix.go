//go:build unix

package cli

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"wsrun/internal/rawsys"
)

// patient is a file that may become non-blocking at any time: others, as ssh and
// node, set that on what they share with wsrun.
type patient struct{ f *os.File }

// Read implements [io.Reader].
func (p patient) Read(b []byte) (int, error) {
	for {
		n, err := p.f.Read(b)
		if n > 0 || !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		p.await(unix.POLLIN)
	}
}

// standardInput returns what reads standard input. Of a pipe it is one of its own,
// which does not block, as [rawsys.Reader] wants; that others share remains as it is.
func standardInput() io.Reader {
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		if f, err := os.OpenFile("/proc/self/fd/0", os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
			return rawsys.Reader(f)
		}
	}
	return patient{os.Stdin}
}

// Write implements [io.Writer].
func (p patient) Write(b []byte) (int, error) {
	for done := 0; ; {
		n, err := p.f.Write(b[done:])
		if done += n; !errors.Is(err, syscall.EAGAIN) {
			return done, err
		}
		p.await(unix.POLLOUT)
	}
}

func (p patient) await(event int16) {
	unix.Poll([]unix.PollFd{{Fd: int32(p.f.Fd()), Events: event}}, -1)
}
