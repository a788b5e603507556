//go:build !unix

package server

import (
	"net"
	"syscall"
)

// rawOf returns nil: viewers can't be written to without waiting.
func rawOf(net.Conn) syscall.RawConn { return nil }

func (c *conn) try([]byte) (int, error) { return 0, syscall.ENOTSUP }
