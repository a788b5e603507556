//go:build linux

package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollWait is [unix.EpollWait] without a word to Go's scheduler, as package rawsys reads: its
// monitor would take from the server's time. In a flood the load uses 23 ms of CPU instead
// of 56. Nothing else runs on one of Go's processors meanwhile: main gives it one more than
// the machine has, and three at least, since there may be two loads. With four on a machine
// of two the largest delay in row 7 went up to 100 ms, with three to 83.
func epollWait(epoll int, events []unix.EpollEvent, milliseconds int) (int, error) {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), uintptr(milliseconds), 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}
