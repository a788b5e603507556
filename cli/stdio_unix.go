//go:build unix

package cli

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
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
