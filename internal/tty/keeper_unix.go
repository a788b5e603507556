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

// KeeperName is the name under which wsrun starts itself as its terminal's keeper.
const KeeperName = "wsrun-terminal-keeper"

// A keeper is a process that gives the terminal back if wsrun ends without having
// done so: by a panic in whichever goroutine, a fault of the runtime, SIGKILL. It
// sleeps on a pipe that wsrun holds the other end of, and into which the runtime
// writes what it crashes with. A nil keeper is none.
type keeper struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// A kept is what the keeper is told first.
type kept struct {
	Group int32 // whose terminal it is
	State unix.Termios
}

// startKeeper starts a keeper of the state that tty is in now. It is a safety net:
// where it can't be had, wsrun does without.
func startKeeper(tty *os.File) *keeper {
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
	k := &keeper{pipe: w, cmd: &exec.Cmd{
		Path: self, Args: []string{KeeperName},
		Stdin: tty, ExtraFiles: []*os.File{r},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // out of reach of the job's signals
	}}
	if err := k.cmd.Start(); err != nil {
		w.Close()
		return nil
	}
	binary.Write(w, binary.NativeEndian, kept{int32(unix.Getpgrp()), *state})
	debug.SetCrashOutput(w, debug.CrashOptions{})
	return k
}

// stop ends the keeper; the terminal is as it should be. It returns none.
func (k *keeper) stop() *keeper {
	if k == nil {
		return nil
	}
	debug.SetCrashOutput(nil, debug.CrashOptions{})
	k.cmd.Process.Kill()
	k.cmd.Wait()
	k.pipe.Close()
	return nil
}

// Keep is the keeper's life: the terminal is its standard input, the pipe
// descriptor 3.
func Keep() error {
	// Setting a terminal from the background would stop it, but for this.
	signal.Ignore(syscall.SIGTTOU, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
	pipe := os.NewFile(3, "pipe")
	var k kept
	if err := binary.Read(pipe, binary.NativeEndian, &k); err != nil {
		return err
	}
	pipe.Read(make([]byte, 1)) // the first word of a crash, or the end
	// A shell that has taken the terminal back has set it as it likes it.
	if group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil && group == int(k.Group) {
		unix.IoctlSetTermios(0, setTermios, &k.State)
	}
	io.Copy(io.Discard, pipe)
	return nil
}
