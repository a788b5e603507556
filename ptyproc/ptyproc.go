// Package ptyproc runs one command under a pseudo-terminal (PTY).
//
// The command is the leader of a session of its own whose controlling terminal
// the PTY is. Its output is read to the last byte: until nobody has the terminal
// open any more or, where something that the command left behind keeps it open,
// for two seconds after the command's end.
package ptyproc

import (
	"io"
	"os"
	"time"
)

const (
	// killDelay is the time between the first request to end and a KILL.
	killDelay = 10 * time.Second
	// drainTime is how long output is read after the command's end while
	// something else keeps the terminal open.
	drainTime = 2 * time.Second
	// retryTime is how long to wait after a system call that failed and must not.
	retryTime = 10 * time.Millisecond
)

// Options says what to run. Path and Args are needed.
type Options struct {
	Path       string   // of the program, as by [exec.LookPath]
	Args       []string // with the program's name as the first
	Env        []string // nil means this process' own
	Stdin      *os.File // nil means the PTY
	Cols, Rows int      // of the PTY; the command can ask for them

	// Stopped is called, in Run, whenever the command itself (not a job of a
	// shell that it is) was stopped by a signal. It may be nil.
	Stopped func()
}

// Status is how a command ended. Signal is the name of the signal that ended it
// ("SIGKILL"), else empty; Code is then 128 plus its number.
type Status struct {
	Code   int
	Signal string
}

var _ io.Writer = (*Proc)(nil)
