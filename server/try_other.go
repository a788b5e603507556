//go:build !unix

package server

import (
	"net"
	"syscall"
)

// fdOf returns -1: viewers can't be written to without waiting.
func fdOf(net.Conn) int { return -1 }

func (c *conn) try(net.Buffers) (net.Buffers, error) { return nil, syscall.ENOTSUP }
