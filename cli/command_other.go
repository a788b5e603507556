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

// catchSignals returns a channel of the signals that wsrun handles.
func catchSignals([]os.Signal) chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt)
	return signals
}

// extraSignals implements [source].
func (*command) extraSignals() []os.Signal { return nil }

// fill implements [source]. On this system no command can be started yet.
func (*command) fill(broadcaster.Sink, <-chan os.Signal, func()) ending {
	return ending{
		state: endNotStarted,
		err:   fail(errors.New("running a command is not supported on this system yet"), "pipe its output into wsrun"),
	}
}

// A blockingFile is a file: on this system other programs can't make it non-blocking.
type blockingFile struct{ *os.File }

func standardInput() io.Reader { return os.Stdin }

func reapOrphans() {}

func privateUmask() func() { return func() {} }
