//go:build unix

package tty

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// WatchdogName is the program name under which wsrun starts itself as the terminal
// watchdog. A main function that finds it in os.Args[0] must call [RunWatchdog] and
// do nothing else.
const WatchdogName = "wsrun-terminal-watchdog"

// A watchdog is a process that restores the terminal if wsrun ends without having
// done so: because of a panic in any goroutine, a fault in the runtime, or SIGKILL.
// The process sleeps on a pipe. wsrun holds the other end, and the runtime writes its
// crash report into the pipe. A nil watchdog is no process.
type watchdog struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// A handover is the first message to the watchdog.
type handover struct {
	Group int32        // the process group that the terminal was taken over for
	State unix.Termios // the terminal's state before that
}

// startWatchdog starts a watchdog that would restore tty's present state. The
// watchdog is only a safety net: if it can't be started, wsrun does without.
func startWatchdog(tty *os.File) *watchdog {
	state, err := unix.IoctlGetTermios(int(tty.Fd()), getTermios)
	if err != nil {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	d := &watchdog{pipe: w, cmd: &exec.Cmd{
		Path: self, Args: []string{WatchdogName},
		Stdin: tty, ExtraFiles: []*os.File{r},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // out of reach of the job's signals
	}}
	if err := d.cmd.Start(); err != nil {
		w.Close()
		return nil
	}
	binary.Write(w, binary.NativeEndian, handover{int32(unix.Getpgrp()), *state})
	debug.SetCrashOutput(w, debug.CrashOptions{})
	return d
}

// stop ends the watchdog without restoring the terminal, and waits for the process.
// On a nil watchdog it does nothing.
func (d *watchdog) stop() {
	if d == nil {
		return
	}
	debug.SetCrashOutput(nil, debug.CrashOptions{})
	d.cmd.Process.Kill()
	d.cmd.Wait()
	d.pipe.Close()
}

// RunWatchdog is the watchdog process. The terminal is its standard input, and the
// pipe is descriptor 3. RunWatchdog returns when wsrun has ended, with an error if it
// did not learn what to restore.
func RunWatchdog() error {
	// TTOU would stop a background process that sets the terminal.
	signal.Ignore(syscall.SIGTTOU, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
	pipe := os.NewFile(3, "pipe")
	var h handover
	if err := binary.Read(pipe, binary.NativeEndian, &h); err != nil {
		return err
	}
	pipe.Read(make([]byte, 1)) // returns at the first byte of a crash report, or at the end
	h.restore()
	io.Copy(io.Discard, pipe)
	return nil
}

// restore sets the terminal's state. If a shell has taken the terminal back, it has also set the state that it wants.
func (h *handover) restore() {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err == nil && group != int(h.Group) {
		return
	}
	if err == nil && unix.IoctlSetTermios(0, setTermios, &h.State) == nil {
		return
	}
	// wsrun was the session's leader, so the system has hung up the terminal. Others may still have it open.
	path, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return
	}
	if again, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err == nil {
		unix.IoctlSetTermios(int(again.Fd()), setTermios, &h.State)
		again.Close()
	}
}
