package hub

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"wsrun/internal/rawsys"
)

// descriptorOf returns a socket's file descriptor, or -1 if c is not a socket.
func descriptorOf(c net.Conn) int {
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

// writeNonblock writes as much of the parts as the kernel accepts without waiting, and returns
// the rest. It changes the slice of parts, but not their bytes. An error other than a full socket
// means that the connection is broken or closed.
//
// writeNonblock uses the descriptor directly: package net would read four more objects on the
// way, none of which is in the processor's cache when there are thousands of viewers.
func (c *conn) writeNonblock(parts net.Buffers) (rest net.Buffers, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil, net.ErrClosed
	}
	for len(parts) > 0 {
		n, err := rawsys.Writev(c.fd, parts)
		if err == syscall.EAGAIN {
			break
		}
		if err != nil {
			return nil, err
		}
		for len(parts) > 0 && n >= len(parts[0]) {
			n -= len(parts[0])
			parts = parts[1:]
		}
		if n > 0 {
			parts[0] = parts[0][n:]
		}
	}
	return parts, nil
}

// cork implements sender with TCP_CORK, which a Unix socket doesn't have. The system waits for 200 ms at most
// (tcp(7)).
func (c *conn) cork(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value := 0
	if yes {
		value = 1
	}
	unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_CORK, value)
}

// delivered implements sender: acked is tcpi_bytes_acked, and queued is SIOCOUTQ (tcp(7)).
func (c *conn) delivered() (acked, queued int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0, false
	}
	n, err := unix.IoctlGetInt(c.fd, unix.SIOCOUTQ)
	return int64(info.Bytes_acked), int64(n), err == nil
}

// unanswered implements sender. A peer that is alive but takes nothing answers the kernel's probes.
func (c *conn) unanswered() bool {
	const attempts, silence = 3, 20_000 // silence in milliseconds
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && max(info.Retransmits, info.Probes) >= attempts && info.Last_ack_recv >= silence
}
