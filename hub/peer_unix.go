//go:build unix

package hub

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// gone implements sender with poll(2), which sees the end of a connection even behind bytes that
// haven't been read.
func (c *conn) gone() bool {
	s, ok := c.Conn.(syscall.Conn)
	if !ok || c.reading.Load() {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: hangup}}
		n, _ := unix.Poll(p, 0)
		gone = n > 0 && p[0].Revents&(hangup|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone
}
