// Package rawsys makes the two system calls that wsrun makes most without a word to
// Go's scheduler. The descriptors must not block: nothing else runs on the processor
// meanwhile.
//
// Each ordinary call that follows a moment's rest wakes the scheduler's monitor, which
// then looks around every 20 µs while there is anything to do. With 200 viewers and 200
// lines a second that was a third of all that wsrun cost: without it 1.25 s of CPU in 5 s
// became 0.79.
package rawsys

import (
	"io"
	"os"
	"syscall"
	"unsafe"
)

// Write is [syscall.Write], for p that is not empty.
func Write(fd int, p []byte) (int, error) {
	return call(syscall.SYS_WRITE, uintptr(fd), p)
}

// Reader returns a reader of what f is, a file that does not block.
func Reader(f *os.File) io.Reader {
	raw, err := f.SyscallConn()
	if err != nil {
		return struct{ io.Reader }{f}
	}
	return reader{raw}
}

type reader struct{ raw syscall.RawConn }

// Read implements [io.Reader].
func (r reader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	failed := r.raw.Read(func(fd uintptr) bool {
		n, err = call(syscall.SYS_READ, fd, p)
		return err != syscall.EAGAIN
	})
	switch {
	case failed == os.ErrDeadlineExceeded:
		return 0, failed
	case failed != nil:
		return 0, os.ErrClosed
	case n == 0 && err == nil:
		return 0, io.EOF
	}
	return n, err
}

// call reads or writes what p holds.
func call(trap, fd uintptr, p []byte) (int, error) {
	for {
		n, _, err := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch err {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
