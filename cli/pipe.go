package cli

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/ptyproc"
)

// lastWordsTime is how long a pipe is still read after a signal. The program that
// writes to the pipe often ends because of the same Ctrl-C, and prints a last message.
const lastWordsTime = time.Second

// A pipe is a source: standard input, whatever kind of file that is.
type pipe struct {
	title string
	asked size // of the terminal that viewers see; zero means the local terminal's
	quiet bool // standard output gets no copy of the input
}

// describe implements [source].
func (p *pipe) describe() hub.Options { return hub.Options{Kind: hub.Pipe, Title: p.title} }

// extraSignals implements [source].
func (*pipe) extraSignals() []os.Signal { return nil }

// prepare implements [source].
func (p *pipe) prepare(sink broadcaster.Sink) { sink.Emit(startSize(p.asked).event()) }

// fill implements [source]. Viewers get \n as \r\n; the copy on standard output is
// unchanged. fill starts a goroutine that reads standard input and ends with it. After a
// signal fill leaves the goroutine behind, because nothing can interrupt its read.
func (p *pipe) fill(sink broadcaster.Sink, signals <-chan os.Signal, started func()) ending {
	started()
	reapOrphans()
	done := make(chan error, 1)
	go func() {
		out := newTee(newlineSink{sink}, p.quiet)
		defer out.close()
		_, err := io.Copy(out, standardInput())
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err == nil {
				return ending{state: endFinished}
			}
			say("read standard input: %v", cause(err))
			return ending{state: endFinished, status: ptyproc.Status{Code: exitFailed}}
		case s := <-signals:
			if !isRequest(s) {
				continue
			}
			select {
			case <-done:
			case <-signals:
			case <-awake(lastWordsTime):
			}
			return ending{state: endCutShort, status: ptyproc.Status{Code: 128 + int(s.(syscall.Signal))}}
		}
	}
}

// A newlineSink writes \n as \r\n, as a terminal would.
type newlineSink struct{ broadcaster.Sink }

func (n newlineSink) Write(p []byte) (int, error) {
	if _, err := n.Sink.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
