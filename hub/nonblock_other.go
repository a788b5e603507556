//go:build !linux

package hub

import (
	"net"
	"syscall"
)

// descriptorOf returns -1: on this system, viewers can't be written to without waiting.
func descriptorOf(net.Conn) int { return -1 }

func (c *conn) writeNonblock(net.Buffers) (net.Buffers, error) { return nil, syscall.ENOTSUP }

// cork implements sender by doing nothing.
func (c *conn) cork(bool) {}

// delivered implements sender. On this system, it never knows.
func (c *conn) delivered() (acked, queued int64, ok bool) { return 0, 0, false }

// unanswered implements sender: the kernel finds out in its own time.
func (c *conn) unanswered() bool { return false }
