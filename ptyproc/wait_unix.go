//go:build unix

package ptyproc

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wait waits for the command's end and returns how the command ended. PID 1 inherits every
// orphan, so as PID 1 wait reaps those too, and after the command's end it starts a
// goroutine that does so until the process ends.
func (p *Proc) wait() Status {
	target := p.pid
	if os.Getpid() == 1 {
		target = -1
	}
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(target, &ws, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR) || err == nil && pid != p.pid:
		case errors.Is(err, syscall.ECHILD):
			// Something else has reaped the command, and its status is lost.
			return Status{Code: 125}
		case err != nil:
			time.Sleep(retryTime)
		case ws.Stopped():
			if p.stopped != nil {
				p.stopped()
			}
		default:
			if target == -1 {
				go Reap()
			}
			if ws.Signaled() {
				return Status{128 + int(ws.Signal()), unix.SignalName(ws.Signal())}
			}
			return Status{Code: ws.ExitStatus()}
		}
	}
}

// Reap reaps every child, present and future, and never returns. It is for PID 1, which
// inherits orphans, and must not run while a command does.
func Reap() {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		<-children
	}
}
