package cli

import (
	"os"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/tty"
	"wsrun/server"
)

// run broadcasts a command, or standard input, and returns its exit status. The order in
// which everything ends is written above [service.shutdown].
func run(o options, args []string) (int, error) {
	src, err := newSource(o, args)
	if err != nil {
		return 0, err
	}
	s, err := newService(o, serviceOptions{
		spareFiles: spareFiles, stdinFree: tty.IsTerminal(os.Stdin), extraSignals: src.extraSignals(),
	})
	if err != nil {
		return 0, err
	}
	b := broadcaster.New(broadcaster.Options{Lines: int(o.lines), Bytes: int(o.buffer), Panicked: s.panics.Reporter("publish output")})
	src.prepare(b)
	stream := src.describe()
	stream.Stream, stream.Started, stream.Panics = b, time.Now(), s.panics
	stream.History = s.keepHistory(b)
	s.open(server.Single(stream))
	defer s.shutdown()
	s.announce()
	// Connections are accepted only when the source has started: they could take the
	// descriptors that its start needs.
	end := src.fill(b, s.signals, s.accept)
	finished := end.state == endFinished
	if finished {
		b.Emit(broadcaster.Exit{Code: end.status.Code, Signal: end.status.Signal, Duration: time.Since(stream.Started)})
	}
	b.Close()
	if finished {
		s.linger(end.status.Code)
	}
	for len(s.signals) > 0 { // meant for the source
		<-s.signals
	}
	return end.status.Code, end.err
}
