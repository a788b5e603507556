// Package rawsys makes wsrun's most frequent system calls, reads and writes of non-blocking
// descriptors, without involving Go's scheduler.
//
// An ordinary system call after a short idle period wakes the scheduler's monitor thread
// (sysmon), which then polls every 20 µs for as long as there is work to do. A raw call
// doesn't (docs/facts.md, internal/rawsys). The price is that the processor runs nothing else
// until the call returns, so every descriptor passed to this package must be non-blocking.
package rawsys

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxParts is the number of parts that one call writes.
const maxParts = 8

// Writev writes parts in order to fd, as much as the kernel accepts without waiting, and
// returns the number of bytes written. The caller must write the rest: Writev may stop within
// a part, and doesn't write more than eight parts in one call. The error is a [syscall.Errno];
// EAGAIN means that the kernel accepts nothing at the moment.
func Writev(fd int, parts [][]byte) (int, error) {
	var vector [maxParts]syscall.Iovec
	n := 0
	for _, p := range parts[:min(len(parts), maxParts)] {
		if len(p) > 0 {
			vector[n].Base = &p[0]
			vector[n].SetLen(len(p))
			n++
		}
	}
	switch n {
	case 0:
		return 0, nil
	case 1: // write(2) is cheaper than writev(2)
		return call(syscall.SYS_WRITE, uintptr(fd), unsafe.Pointer(vector[0].Base), uintptr(vector[0].Len))
	}
	return call(syscall.SYS_WRITEV, uintptr(fd), unsafe.Pointer(&vector), uintptr(n))
}

// Read makes one read(2) call. p must not be empty. Read returns 0 and no error at the end of
// the file; other errors are a [syscall.Errno], EAGAIN if there is nothing to read yet.
func Read(fd int, p []byte) (int, error) {
	return call(syscall.SYS_READ, uintptr(fd), unsafe.Pointer(&p[0]), uintptr(len(p)))
}

// Reader returns a reader of f that uses raw calls if f's descriptor is non-blocking, and
// ordinary ones if it isn't. The reader has no methods but Read, and doesn't close f.
func Reader(f *os.File) io.Reader {
	if raw, err := f.SyscallConn(); err == nil && !mayBlock(raw) {
		return reader{f, raw}
	}
	return struct{ io.Reader }{f} // hides f's WriteTo, which io.Copy would prefer
}

// mayBlock reports whether a call on the descriptor may wait.
func mayBlock(raw syscall.RawConn) bool {
	flags := 0
	raw.Control(func(fd uintptr) { flags, _ = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	return flags&unix.O_NONBLOCK == 0
}

type reader struct {
	f   *os.File
	raw syscall.RawConn
}

// Read implements [io.Reader].
func (r reader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	failed := r.raw.Read(func(fd uintptr) bool {
		n, err = Read(int(fd), p)
		return err != syscall.EAGAIN
	})
	switch {
	case failed != nil: // f was closed or its deadline passed: f knows the right error
		return r.f.Read(p)
	case n == 0 && err == nil:
		return 0, io.EOF
	}
	return n, err
}

// call makes a system call, again if a signal interrupts it.
func call(trap, fd uintptr, p unsafe.Pointer, n uintptr) (int, error) {
	for {
		n, _, err := syscall.RawSyscall(trap, fd, uintptr(p), n)
		switch err {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
