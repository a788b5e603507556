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

// NeedsReturn reports whether f is a terminal on which \n alone does not begin a line:
// never, on this system.
func NeedsReturn(*os.File) bool { return false }

// Size returns the size of the local terminal, if there is one that knows its size.
func Size() (cols, rows int, ok bool) {
	cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
	return cols, rows, err == nil && cols > 0 && rows > 0
}
