//go:build unix

package tty

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"wsrun/ptyproc"
)

// Size returns the size of the local terminal, if there is one that knows its size.
func Size() (cols, rows int, ok bool) {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if cols, rows, err := term.GetSize(int(f.Fd())); err == nil && cols > 0 && rows > 0 {
			return cols, rows, true
		}
	}
	return 0, 0, false
}

// A Terminal is the local one, on standard input, that wsrun takes over for its
// command: while it is attached, every key goes there. It is only attached while
// wsrun is in the foreground. A nil terminal is none: all methods do nothing.
type Terminal struct {
	in       *os.File
	mu       sync.Mutex
	wanted   bool        // to be attached, whenever wsrun is in the foreground
	state    *term.State // to give back; nil while not attached
	watchdog *watchdog   // gives it back if wsrun can't; nil while not attached
}

// Open returns the terminal that is standard input, or nil.
func Open() *Terminal {
	if !IsTerminal(os.Stdin) {
		return nil
	}
	return &Terminal{in: os.Stdin}
}

// Attach takes the terminal over as soon as, and as long as, wsrun is in the
// foreground; also again, when a shell has changed it meanwhile.
func (t *Terminal) Attach() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = true
	t.take(true)
}

// take makes state what the foreground says; again also if it is that already. mu
// must be held.
func (t *Terminal) take(again bool) {
	switch {
	case !t.inForeground():
		t.state = nil // it is somebody else's now
		t.stopWatchdog()
		return
	case !t.wanted || t.state != nil && !again:
		return
	case t.state == nil:
		t.watchdog = startWatchdog(t.in)
	}
	state, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return
	}
	if t.state == nil {
		t.state = state
	}
	if !IsTerminal(os.Stdout) { // what else writes there counts on whole line ends
		keepLineEnds(t.in)
	}
}

// Detach gives the terminal back as it was.
func (t *Terminal) Detach() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = false
	if t.state == nil {
		return
	}
	if t.inForeground() {
		term.Restore(int(t.in.Fd()), t.state)
	}
	t.state = nil
	t.stopWatchdog()
}

// stopWatchdog: mu must be held.
func (t *Terminal) stopWatchdog() {
	t.watchdog.stop()
	t.watchdog = nil
}

// Attached reports whether keys go to the command.
func (t *Terminal) Attached() bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state != nil
}

// inForeground tells whether keys are meant for wsrun. A terminal that is not the
// controlling one knows no foreground.
func (t *Terminal) inForeground() bool {
	group, err := unix.IoctlGetInt(int(t.in.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp() || errors.Is(err, syscall.ENOTTY)
}

// Suspend stops wsrun, as Ctrl-Z does any other program, and returns when it is
// continued.
func (t *Terminal) Suspend() {
	t.Detach()
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	// STOP, since Go's handler stays in place of TSTP's default. A session's leader
	// in another group is a shell with job control; without one nobody would
	// continue us.
	leader, _ := unix.Getsid(0)
	if group, err := unix.Getpgid(leader); err == nil && group != unix.Getpgrp() {
		syscall.Kill(0, syscall.SIGSTOP) // the job, with all else that is in it
	}
	select {
	case <-continued:
	case <-time.After(100 * time.Millisecond): // for the kernel to act; no time passes while stopped
	}
	t.Attach()
}

// TypeTo passes keys on for ever, while attached. Reading in the background would
// stop wsrun, so it looks before it reads.
func (t *Terminal) TypeTo(p *ptyproc.Proc) {
	if t == nil {
		return
	}
	// A shell says nothing when it brings a job that runs to the foreground.
	const focusTime = 200 * time.Millisecond
	keys := make([]byte, 4<<10)
	fd := int(t.in.Fd())
	for {
		if !t.ready() {
			time.Sleep(focusTime)
			continue
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(poll, -1)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || poll[0].Revents&unix.POLLIN == 0 {
			return // the terminal has gone; SIGHUP tells the command
		}
		if !t.ready() {
			continue
		}
		n, err := unix.Read(fd, keys)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		typeKeys(p, keys[:n])
	}
}

// ready tells whether keys may be read now.
func (t *Terminal) ready() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.take(false)
	return t.state != nil
}

// typeKeys types keys, and stops the command at the one that means that.
func typeKeys(p *ptyproc.Proc, keys []byte) {
	if key, ok := p.SuspendKey(); ok {
		if i := bytes.IndexByte(keys, key); i >= 0 {
			p.Write(keys[:i])
			p.Signal(syscall.SIGSTOP)
			keys = keys[i+1:]
		}
	}
	p.Write(keys)
}

// NeedsReturn reports whether f is a terminal on which \n alone does not begin a line.
func NeedsReturn(f *os.File) bool {
	state, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil && state.Oflag&(unix.OPOST|unix.ONLCR) != unix.OPOST|unix.ONLCR
}

// keepLineEnds makes a raw terminal write \n as \r\n.
func keepLineEnds(f *os.File) {
	if state, err := unix.IoctlGetTermios(int(f.Fd()), getTermios); err == nil {
		state.Oflag |= unix.OPOST | unix.ONLCR
		unix.IoctlSetTermios(int(f.Fd()), setTermios, state)
	}
}
