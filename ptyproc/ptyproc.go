// Package ptyproc runs one command under a pseudo-terminal (PTY).
//
// The command is the leader of its own session, and the PTY is the session's controlling
// terminal. Output is read to the last byte: until no process has the terminal open any
// more or, if a process that the command has left behind keeps it open, for two seconds
// after the command's end.
package ptyproc

import (
	"io"
	"os"
	"time"
)

const (
	// killDelay is the time between the first INT or TERM and a KILL.
	killDelay = 10 * time.Second
	// drainTime is how long output is read after the command's end while another
	// process keeps the terminal open.
	drainTime = 2 * time.Second
	// retryTime is how long to wait before trying again after an unexpected error.
	retryTime = 10 * time.Millisecond
)

// Options sets what to run. Path and Args are required.
type Options struct {
	Path       string   // of the program, for example from [exec.LookPath]
	Args       []string // with the program's name as the first
	Env        []string // nil means this process's own
	Stdin      *os.File // nil means the PTY
	Cols, Rows int      // of the PTY; the command can ask for them

	// Stopped is called during Run, from another goroutine, whenever a signal has
	// stopped the command itself. If the command is a shell, the shell's jobs don't
	// count. Stopped may be nil.
	Stopped func()
}

// Status is how a command ended: with exit status Code or, if Signal is not empty, because
// of the signal with that name ("SIGKILL"). Code is then 128 plus the signal's number.
type Status struct {
	Code   int
	Signal string
}

var _ io.Writer = (*Proc)(nil)
