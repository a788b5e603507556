//go:build !unix

package tty

import (
	"errors"
	"os"

	"golang.org/x/term"
)

// WatchdogName is never the name of a program on this system.
const WatchdogName = "\x00"

// RunWatchdog fails: there is no terminal watchdog on this system yet.
func RunWatchdog() error { return errors.New("there is no terminal watchdog on this system yet") }

// NeedsReturn reports whether f is a terminal on which \n alone doesn't return to the
// first column. On this system it never is.
func NeedsReturn(*os.File) bool { return false }

// Size returns the size of the local terminal. ok is false if there is no terminal.
func Size() (cols, rows int, ok bool) {
	cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
	return cols, rows, err == nil && cols > 0 && rows > 0
}
