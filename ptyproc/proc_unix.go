//go:build unix

package ptyproc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A Proc is a running command. Write, Resize, Signal and SuspendKey may be called
// concurrently with each other and with Run.
type Proc struct {
	pid     int
	master  *os.File
	slave   *os.File      // open until Run has seen the command's end
	closed  atomic.Bool   // slave is closed, or is about to be
	stopped func()        // Options.Stopped
	done    chan struct{} // closed at the command's end

	mu    sync.Mutex
	ended bool        // pid may belong to another process by now
	kill  *time.Timer // running since the first INT or TERM
}

// Start starts a command under a new PTY. The caller must call [Proc.Run]. The error
// wraps the system call's, for example [syscall.ENOEXEC] for a file that is not a program.
func Start(o Options) (*Proc, error) {
	master, slave, err := open(o.Cols, o.Rows)
	if err != nil {
		return nil, fmt.Errorf("open a PTY: %w", err)
	}
	stdin := o.Stdin
	if stdin == nil {
		stdin = slave
	}
	cmd := &exec.Cmd{
		Path: o.Path, Args: o.Args, Env: o.Env,
		Stdin: stdin, Stdout: slave, Stderr: slave,
		// Ctty is a descriptor in the child: standard output.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1},
	}
	if err := cmd.Start(); err != nil {
		master.Close()
		slave.Close()
		return nil, fmt.Errorf("start %q: %w", o.Args[0], err)
	}
	return &Proc{pid: cmd.Process.Pid, master: master, slave: slave, stopped: o.Stopped, done: make(chan struct{})}, nil
}

// open returns a PTY of the given size. On Linux its master is non-blocking, so that
// deadlines and Close interrupt a Read. Don't rely on that on other systems: macOS, for
// example, can't poll a master.
func open(cols, rows int) (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	master = blocking
	if pollable {
		// creack/pty has called Fd, which makes the master blocking for good. Only a
		// new os.File of a non-blocking descriptor uses the poller.
		defer blocking.Close()
		fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			slave.Close()
			return nil, nil, err
		}
		master = os.NewFile(uintptr(fd), blocking.Name())
	}
	if err := resize(master, cols, rows); err != nil {
		master.Close()
		slave.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// Run copies the command's output to w until the command has ended and all its output is
// read, and returns how the command ended. It must be called once. Run ignores w's errors
// and continues reading, because the command would block otherwise. No call of w.Write is
// in progress when Run returns.
//
// Run starts two goroutines, one that reads and one that waits for the command, and waits
// for both. But where a PTY can't be polled (macOS), Run leaves the reader behind if
// another process keeps the PTY open.
func (p *Proc) Run(w io.Writer) Status {
	out := &gate{w: w}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(out)
	}()
	status := make(chan Status)
	go func() { status <- p.wait() }()
	s := <-status

	p.mu.Lock()
	p.ended = true
	if p.kill != nil {
		p.kill.Stop()
	}
	p.mu.Unlock()
	close(p.done)

	p.awaitDrained(read, out)
	p.closed.Store(true)
	p.slave.Close() // if no other is open, the reader gets EIO after the last byte
	if !awaitEnd(read) && p.master.SetReadDeadline(time.Now()) == nil {
		<-read
	}
	out.close()
	p.master.Close()
	return s
}

// awaitEnd waits for the reader for drainTime, and reports whether it has ended. The time is counted in
// steps, so that a wsrun that is stopped meanwhile still reads what is left.
func awaitEnd(read <-chan struct{}) bool {
	const step = 100 * time.Millisecond
	for range drainTime / step {
		select {
		case <-read:
			return true
		case <-time.After(step):
		}
	}
	return false
}

// Done returns a channel that is closed when the command has ended. Run may still be
// copying output then.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Write sends b to the PTY as if it were typed there.
func (p *Proc) Write(b []byte) (int, error) { return p.master.Write(b) }

// Resize sets the size of the PTY, and the kernel sends the command SIGWINCH.
func (p *Proc) Resize(cols, rows int) error { return resize(p.master, cols, rows) }

// resize sets the size of a PTY. It doesn't use pty.Setsize, which calls Fd and so makes
// the file blocking.
func resize(f *os.File, cols, rows int) error {
	return control(f, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(cols), Row: uint16(rows)})
	})
}

// control calls do with f's descriptor, which stays non-blocking.
func control(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	if err := conn.Control(func(fd uintptr) { doErr = do(int(fd)) }); err != nil {
		return err
	}
	return doErr
}

// Signal sends s to the command's process group. Ten seconds after the first INT or TERM it
// sends KILL; for an INT after either of them, it sends KILL immediately. After the
// command's end Signal does nothing.
func (p *Proc) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	switch {
	case s == syscall.SIGINT && p.kill != nil:
		s = syscall.SIGKILL
	case (s == syscall.SIGINT || s == syscall.SIGTERM) && p.kill == nil:
		p.kill = time.AfterFunc(killDelay, func() { p.Signal(syscall.SIGKILL) })
	}
	syscall.Kill(-p.pid, s)
}

// SuspendKey returns the key that would stop the command if a shell had started it. The
// terminal can't stop the command at that key: the parent of the command's process group is
// in another session, and the kernel doesn't stop such orphaned groups. ok is false if the
// key is for the command to handle, because the command reads single keys (an editor, a
// pager) or is a shell that runs a job.
func (p *Proc) SuspendKey() (key byte, ok bool) {
	control(p.master, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, getTermios)
		if err != nil {
			return err
		}
		group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		cooked := t.Lflag&unix.ISIG != 0 && t.Lflag&unix.ICANON != 0
		key, ok = t.Cc[unix.VSUSP], err == nil && group == p.pid && cooked
		return err
	})
	return key, ok
}
