//go:build unix

package server

import (
	"net"
	"syscall"

	"wsrun/internal/rawsys"
)

// fdOf returns the descriptor of a socket, and -1 of what is none.
func fdOf(c net.Conn) int {
	s, ok := c.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	raw.Control(func(d uintptr) { fd = int(d) })
	return fd
}

// try writes as much of p as the system takes at once, and returns how much that was.
// It uses the descriptor as it is: package net's way to it reads four objects more,
// which are in no cache when there are thousands of viewers.
func (c *conn) try(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	for n < len(p) {
		wrote, err := rawsys.Write(c.fd, p[n:])
		if err == syscall.EAGAIN {
			break
		}
		if err != nil {
			return n, err
		}
		n += wrote
	}
	return n, nil
}
