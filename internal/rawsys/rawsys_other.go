//go:build unix && !linux

package rawsys

import (
	"io"
	"os"
	"syscall"
)

// Writev writes the first part, as far as the system takes it at once, and returns how
// many bytes that were.
func Writev(fd int, parts [][]byte) (int, error) {
	for {
		if n, err := syscall.Write(fd, parts[0]); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Reader returns a reader of f by ordinary calls.
func Reader(f *os.File) io.Reader {
	return struct{ io.Reader }{f} // without the rest of f's methods, which io.Copy prefers
}
