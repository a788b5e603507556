//go:build unix

package server

import (
	"cmp"
	"net"
	"syscall"
)

// rawOf returns what try needs; nil if c is not the system's.
func rawOf(c net.Conn) syscall.RawConn {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// try writes as much of p as the system takes at once, and returns how much that was.
// The connection must have no deadline.
func (c *conn) try(p []byte) (n int, err error) {
	failed := c.raw.Write(func(fd uintptr) bool {
		for n < len(p) {
			wrote, e := syscall.Write(int(fd), p[n:])
			if e == syscall.EINTR {
				continue
			}
			if e != nil {
				if e != syscall.EAGAIN {
					err = e
				}
				break
			}
			n += wrote
		}
		return true
	})
	return n, cmp.Or(err, failed)
}
