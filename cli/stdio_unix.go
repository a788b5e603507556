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

// A blockingFile is a file whose reads and writes block even if another program makes
// it non-blocking, as ssh and node do with files that they share with wsrun.
type blockingFile struct{ f *os.File }

// Read implements [io.Reader].
func (b blockingFile) Read(p []byte) (int, error) {
	for {
		n, err := b.f.Read(p)
		if n > 0 || !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		b.wait(unix.POLLIN)
	}
}

// Write implements [io.Writer].
func (b blockingFile) Write(p []byte) (int, error) {
	for done := 0; ; {
		n, err := b.f.Write(p[done:])
		if done += n; !errors.Is(err, syscall.EAGAIN) {
			return done, err
		}
		b.wait(unix.POLLOUT)
	}
}

// wait returns when event may have happened.
func (b blockingFile) wait(event int16) {
	unix.Poll([]unix.PollFd{{Fd: int32(b.f.Fd()), Events: event}}, -1)
}

// standardInput returns a reader of standard input. A pipe is opened again, because
// [rawsys.Reader] wants a non-blocking descriptor and the one that other programs share
// must stay as it is.
func standardInput() io.Reader {
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		if f, err := os.OpenFile("/proc/self/fd/0", os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
			return rawsys.Reader(f)
		}
	}
	return blockingFile{os.Stdin}
}
