// Package rawsys makes the system calls that wsrun makes most without a word to
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

	"golang.org/x/sys/unix"
)

// maxParts is how many parts one call writes.
const maxParts = 8

// Writev writes the parts one behind the other, as far as the system takes them at once,
// and returns how many bytes that were: by write(2) if there is one part, which costs less.
// It may leave the ninth part and what follows to the next call.
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
	case 1:
		return call(syscall.SYS_WRITE, uintptr(fd), unsafe.Pointer(vector[0].Base), uintptr(vector[0].Len))
	}
	return call(syscall.SYS_WRITEV, uintptr(fd), unsafe.Pointer(&vector), uintptr(n))
}

// Read reads once into p, which must not be empty. It returns 0 at the end.
func Read(fd int, p []byte) (int, error) {
	return call(syscall.SYS_READ, uintptr(fd), unsafe.Pointer(&p[0]), uintptr(len(p)))
}

// Reader returns a reader of f by raw calls; by ordinary ones if it may block.
func Reader(f *os.File) io.Reader {
	if raw, err := f.SyscallConn(); err == nil && !mayBlock(raw) {
		return reader{f, raw}
	}
	return struct{ io.Reader }{f} // without the rest of f's methods, which io.Copy prefers
}

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
	case failed != nil: // it was closed, or its time is over
		return r.f.Read(p)
	case n == 0 && err == nil:
		return 0, io.EOF
	}
	return n, err
}

// call repeats a call that a signal interrupts.
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
