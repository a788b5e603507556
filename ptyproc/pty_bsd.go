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
	const step = time.Millisecond
	for steps := drainTime / step; steps > 0 || out.busy.Load(); steps-- {
		waiting := 0
		control(p.slave, func(fd int) (err error) {
			waiting, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
			return err
		})
		select {
		case <-read:
			return
		case <-time.After(step):
		}
		if waiting == 0 {
			return
		}
	}
}
