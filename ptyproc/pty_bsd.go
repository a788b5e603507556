//go:build unix && !linux

package ptyproc

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	pollable   = false
	getTermios = unix.TIOCGETA
)

// awaitDrained returns when the reader has read all of the command's output, or after
// drainTime: macOS discards unread output when the last slave is closed.
func (p *Proc) awaitDrained(read <-chan struct{}, out *gate) {
	deadline := time.Now().Add(drainTime)
	for time.Now().Before(deadline) || out.busy.Load() {
		waiting := 0
		control(p.slave, func(fd int) (err error) {
			waiting, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
			return err
		})
		select {
		case <-read:
			return
		case <-time.After(time.Millisecond):
		}
		if waiting == 0 {
			return
		}
	}
}
