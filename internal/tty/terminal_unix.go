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

const (
	// focusInterval is how often a background process checks whether it is in the
	// foreground: a shell sends no signal when it brings a running job there.
	focusInterval = 200 * time.Millisecond
	// stopTime is how long the kernel may take to stop wsrun. Time that passes
	// while wsrun is stopped does not count.
	stopTime = 100 * time.Millisecond
)

// A Terminal is the local terminal, on standard input. wsrun takes it over for its
// command: while the terminal is attached, it is in raw mode and every key goes to
// the command. It is attached only while wsrun is in the foreground.
//
// Methods may be called concurrently. On a nil Terminal they do nothing.
type Terminal struct {
	in *os.File

	mu       sync.Mutex
	wanted   bool        // attach whenever wsrun is in the foreground
	state    *term.State // to restore; nil while not attached
	watchdog *watchdog   // restores the state if wsrun can't; nil while not attached
}

// Open returns the terminal on standard input, or nil if standard input is something
// else.
func Open() *Terminal {
	if !IsTerminal(os.Stdin) {
		return nil
	}
	return &Terminal{in: os.Stdin}
}

// Attach takes the terminal over as soon as, and as long as, wsrun is in the
// foreground. Calling Attach again takes back a terminal that a shell has changed in
// the meantime.
func (t *Terminal) Attach() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = true
	t.update(true)
}

// Detach restores the terminal.
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
	t.release()
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

// Suspend stops wsrun, as Ctrl-Z stops any other program, and returns when wsrun is
// continued. The terminal is restored in the meantime.
func (t *Terminal) Suspend() {
	t.Detach()
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	// Send STOP, because Go's handler stays in place of the default action of TSTP.
	// A session leader in another process group is a shell with job control; without
	// one, nothing would ever continue wsrun.
	leader, _ := unix.Getsid(0)
	if group, err := unix.Getpgid(leader); err == nil && group != unix.Getpgrp() {
		syscall.Kill(0, syscall.SIGSTOP) // the whole job
	}
	select {
	case <-continued:
	case <-time.After(stopTime):
	}
	t.Attach()
}

// ForwardKeys sends keys to p while the terminal is attached. It returns only if the
// terminal is gone; until then nothing can interrupt its read.
func (t *Terminal) ForwardKeys(p *ptyproc.Proc) {
	if t == nil {
		return
	}
	keys := make([]byte, 4<<10)
	fd := int(t.in.Fd())
	for {
		if !t.refresh() {
			time.Sleep(focusInterval)
			continue
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(poll, -1)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || poll[0].Revents&unix.POLLIN == 0 {
			return // the terminal is gone; the command gets SIGHUP
		}
		// Reading in the background would stop wsrun.
		if !t.refresh() {
			continue
		}
		n, err := unix.Read(fd, keys)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		writeKeys(p, keys[:n])
	}
}

// refresh attaches the terminal if wsrun has come to the foreground, and reports
// whether the terminal is attached: only then may keys be read.
func (t *Terminal) refresh() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.update(false)
	return t.state != nil
}

// update attaches the terminal, or lets go of it, depending on whether wsrun is in
// the foreground. If force is true, it also sets raw mode on a terminal that is
// attached already. mu must be held.
func (t *Terminal) update(force bool) {
	switch {
	case !t.inForeground():
		t.release()
		return
	case !t.wanted || t.state != nil && !force:
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
	if !IsTerminal(os.Stdout) { // other programs that write to the terminal expect \n to be enough
		restoreLineEnds(t.in)
	}
}

// release forgets the state to restore, and ends the watchdog. mu must be held.
func (t *Terminal) release() {
	t.state = nil
	t.watchdog.stop()
	t.watchdog = nil
}

// inForeground reports whether keys are meant for wsrun. Only a controlling terminal
// has a foreground; on any other terminal, keys are always meant for wsrun.
func (t *Terminal) inForeground() bool {
	group, err := unix.IoctlGetInt(int(t.in.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp() || errors.Is(err, syscall.ENOTTY)
}

// writeKeys sends keys to p, but stops the command at its suspend key.
func writeKeys(p *ptyproc.Proc, keys []byte) {
	if key, ok := p.SuspendKey(); ok {
		if i := bytes.IndexByte(keys, key); i >= 0 {
			p.Write(keys[:i])
			p.Signal(syscall.SIGSTOP)
			keys = keys[i+1:]
		}
	}
	p.Write(keys)
}

// Size returns the size of the local terminal. ok is false if there is no terminal,
// or if the terminal doesn't know its size.
func Size() (cols, rows int, ok bool) {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if cols, rows, err := term.GetSize(int(f.Fd())); err == nil && cols > 0 && rows > 0 {
			return cols, rows, true
		}
	}
	return 0, 0, false
}

// NeedsReturn reports whether f is a terminal on which \n alone doesn't return to the
// first column.
func NeedsReturn(f *os.File) bool {
	state, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil && state.Oflag&(unix.OPOST|unix.ONLCR) != unix.OPOST|unix.ONLCR
}

// restoreLineEnds makes a raw terminal write \n as \r\n.
func restoreLineEnds(f *os.File) {
	if state, err := unix.IoctlGetTermios(int(f.Fd()), getTermios); err == nil {
		state.Oflag |= unix.OPOST | unix.ONLCR
		unix.IoctlSetTermios(int(f.Fd()), setTermios, state)
	}
}
