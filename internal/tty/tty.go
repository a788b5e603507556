// Package tty is the local terminal: raw mode, sizes, and a watchdog that restores the
// terminal if wsrun can't.
package tty

import (
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
