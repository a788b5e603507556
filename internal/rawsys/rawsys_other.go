//go:build unix && !linux

package rawsys

import (
	"io"
	"os"
	"syscall"
)

// Write is [syscall.Write], repeated if a signal interrupts it.
func Write(fd int, p []byte) (int, error) {
	for {
		if n, err := syscall.Write(fd, p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Reader returns f, which may block.
func Reader(f *os.File) io.Reader { return struct{ io.Reader }{f} }
