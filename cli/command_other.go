//go:build !unix

package cli

import (
	"errors"
	"io"
	"os"
	"os/signal"

	"wsrun/broadcaster"
)

func isRequest(os.Signal) bool { return true }

func catchSignals(bool) chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt)
	return signals
}

func runCommand(options, source, size, *broadcaster.Broadcaster, chan os.Signal, func()) (ending, error) {
	return ending{}, fail(errors.New("running a command is not supported on this system yet"), "pipe its output into wsrun")
}

// A blockingFile is a file: on this system other programs can't make it non-blocking.
type blockingFile struct{ *os.File }

func standardInput() io.Reader { return os.Stdin }

func reapOrphans() {}

func privateUmask() func() { return func() {} }
