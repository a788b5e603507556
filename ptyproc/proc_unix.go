//go:build unix

package ptyproc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"wsrun/internal/rawsys"
)

// A Proc is a running command. Write, Resize, Signal and SuspendKey may be called
// concurrently with each other and with Run.
type Proc struct {
	pid     int
	master  *os.File
	slave   *os.File    // kept open until Run has seen the command's end
	closed  atomic.Bool // the slave is, or is about to be
	stopped func()
	done    chan struct{} // closed at the command's end

	mu    sync.Mutex
	ended bool        // the pid is no longer ours to signal
	kill  *time.Timer // running since the first INT or TERM
}

// Start starts a command under a new PTY. The caller must call Run. The error
// wraps that of the system call: [syscall.ENOEXEC] for a file that is no program.
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
		// Ctty is a descriptor of the child's: its standard output.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1},
	}
	if err := cmd.Start(); err != nil {
		master.Close()
		slave.Close()
		return nil, fmt.Errorf("start %q: %w", o.Args[0], err)
	}
	return &Proc{pid: cmd.Process.Pid, master: master, slave: slave, stopped: o.Stopped, done: make(chan struct{})}, nil
}

// open returns a PTY of the given size. On Linux its master is non-blocking, so
// that deadlines and Close interrupt a Read; elsewhere, as on macOS where such a
// master can't be polled, nothing may rest on that.
func open(cols, rows int) (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	master = blocking
	if pollable {
		// creack/pty has called Fd, which made the master blocking for good: only
		// a new os.File of a non-blocking descriptor gets into the poller.
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

// Run copies the command's output to w until the command has ended and all its
// output is read, and returns how it ended. It must be called once. Errors of w
// are ignored: the command's output is read whatever becomes of it. No call of
// w.Write is under way when Run returns.
//
// Run starts two goroutines, one that reads and one that waits for the command,
// and ends them both; but where a PTY can't be polled (macOS) and is kept open by
// something else, the reader stays in its read.
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
	p.slave.Close() // if it was the last, the reader gets EIO behind the last byte
	select {
	case <-read:
	case <-time.After(drainTime):
		if p.master.SetReadDeadline(time.Now()) == nil {
			<-read
		}
	}
	out.close()
	p.master.Close()
	return s
}

// read copies the command's output until nobody has the terminal open or time is
// up. As long as the slave is open here, an error says nothing of the terminal: the
// machine is out of something, and the command would block if nobody read on.
func (p *Proc) read(out io.Writer) {
	for {
		closed := p.closed.Load()
		_, err := io.Copy(out, rawsys.Reader(p.master))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.readRest(out)
			return
		case errors.Is(err, os.ErrClosed), closed && (err == nil || errors.Is(err, syscall.EIO)):
			return
		case closed == p.closed.Load():
			time.Sleep(retryTime)
		}
	}
}

// Done is closed when the command has ended. Its output may be still to come.
func (p *Proc) Done() <-chan struct{} { return p.done }

// readRest copies what waits in the terminal when time is up: who takes the output
// may have been slower than that. It is at most the kernel's buffer.
func (p *Proc) readRest(w io.Writer) {
	b := make([]byte, 64<<10)
	control(p.master, func(fd int) error {
		for rest := len(b); rest > 0; {
			n, err := unix.Read(fd, b[:rest])
			if n <= 0 {
				return err
			}
			w.Write(b[:n])
			rest -= n
		}
		return nil
	})
}

// A gate passes writes on until it is closed, and never fails.
type gate struct {
	mu     sync.Mutex
	w      io.Writer
	busy   atomic.Bool // a write is under way
	closed bool
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, io.ErrClosedPipe
	}
	g.busy.Store(true)
	g.w.Write(p)
	g.busy.Store(false)
	return len(p), nil
}

func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

// wait returns how the command ended. As PID 1 wsrun inherits every orphan: then
// it reaps them too, and from the command's end on a goroutine goes on with that
// for the rest of the process' life.
func (p *Proc) wait() Status {
	whom := p.pid
	if os.Getpid() == 1 {
		whom = -1
	}
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(whom, &ws, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR) || err == nil && pid != p.pid:
		case errors.Is(err, syscall.ECHILD):
			// Somebody else has reaped it; its status is lost.
			return Status{Code: 125}
		case err != nil:
			time.Sleep(retryTime)
		case ws.Stopped():
			if p.stopped != nil {
				p.stopped()
			}
		default:
			if whom == -1 {
				go Reap()
			}
			if ws.Signaled() {
				return Status{128 + int(ws.Signal()), unix.SignalName(ws.Signal())}
			}
			return Status{Code: ws.ExitStatus()}
		}
	}
}

// Reap waits for every child there is and will be, and does not return. It is for
// PID 1, which inherits orphans, while no command runs.
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

// Write types p: the command reads it if its standard input is the PTY.
func (p *Proc) Write(b []byte) (int, error) { return p.master.Write(b) }

// Resize tells the PTY its size, and with that the command (SIGWINCH).
func (p *Proc) Resize(cols, rows int) error { return resize(p.master, cols, rows) }

// resize does not use pty.Setsize, whose call of Fd makes the file blocking.
func resize(f *os.File, cols, rows int) error {
	return control(f, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(cols), Row: uint16(rows)})
	})
}

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

// Signal sends s to the command's process group. Ten seconds after the first INT
// or TERM the group gets KILL; an INT after either is a KILL at once. After the
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

// SuspendKey returns the key that would stop the command if a shell had started
// it. It can't work by itself: the command's process group has no parent in its
// session, and the kernel spares such orphans. ok is false when the key is the
// command's own business, because it reads single keys (an editor, a pager) or is
// a shell that runs a job.
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
