//go:build !unix

package ptyproc

import (
	"errors"
	"io"
	"syscall"
)

// A Proc is a running command. There are none on this system yet.
type Proc struct{}

// Start fails: there is no PTY on this system yet.
func Start(Options) (*Proc, error) {
	return nil, errors.New("running a command is not supported on this system yet")
}

// Run can't be called, because Start always fails.
func (*Proc) Run(io.Writer) Status { panic("no command runs") }

// Write can't be called, because Start always fails.
func (*Proc) Write([]byte) (int, error) { panic("no command runs") }

// Resize can't be called, because Start always fails.
func (*Proc) Resize(int, int) error { panic("no command runs") }

// Signal can't be called, because Start always fails.
func (*Proc) Signal(syscall.Signal) { panic("no command runs") }

// SuspendKey can't be called, because Start always fails.
func (*Proc) SuspendKey() (byte, bool) { panic("no command runs") }
