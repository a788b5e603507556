//go:build !unix

package cli

import (
	"errors"
	"io"
	"os"
	"os/signal"

	"golang.org/x/term"

	"wsrun/broadcaster"
)

// keeperName is never the name of a program here.
const keeperName = "\x00"

func keep() int { return exitFailed }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func needsReturn(*os.File) bool { return false }

func localSize() (size, bool) {
	cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
	return size{cols, rows}, err == nil && cols > 0 && rows > 0
}

func isRequest(os.Signal) bool { return true }

func catchSignals(bool) chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt)
	return signals
}

func runCommand(options, source, size, *broadcaster.Broadcaster, chan os.Signal, func()) (ending, error) {
	return ending{}, fail(errors.New("running a command is not supported on this system yet"), "pipe its output into wsrun")
}

// patient is a file; here none becomes non-blocking.
type patient struct{ *os.File }

func standardInput() io.Reader { return os.Stdin }

func reapOrphans() {}

func privateUmask() func() { return func() {} }
