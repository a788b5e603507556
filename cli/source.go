package cli

import (
	"cmp"
	"errors"
	"os"
	"strings"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/tty"
	"wsrun/ptyproc"
)

// The size of a terminal if neither the user nor a local terminal sets it.
const defaultCols, defaultRows = 120, 30

// A source fills a sink: with the output of a command, or with a pipe.
type source interface {
	// describe returns the page's title and the command's words, which are nil if
	// there is no command.
	describe() hub.Options

	// extraSignals returns the signals that fill handles in addition to the requests
	// that every listening command handles.
	extraSignals() []os.Signal

	// prepare decides on the size of the source's terminal and emits the size to sink.
	// The caller calls it once, before fill and before anything reads from the sink.
	prepare(sink broadcaster.Sink)

	// fill writes the source's output to sink, and emits the size of its terminal
	// whenever that changes. It returns when the source has ended and its last byte is
	// written, or when one of signals has told it to stop, and reports how the source
	// ended. The caller emits the exit and closes the stream.
	//
	// fill calls started once the source has the descriptors that it needs, and never
	// if it can't be started. It is called once.
	fill(sink broadcaster.Sink, signals <-chan os.Signal, started func()) ending
}

// An ending is how a source ended.
type ending struct {
	state  endState
	status ptyproc.Status // wsrun's exit status; not set for endNotStarted
	err    error          // what went wrong; set for endNotStarted only
}

// An endState distinguishes the kinds of endings.
type endState int

const (
	endFinished   endState = iota // the source came to its own end
	endCutShort                   // a signal told wsrun to stop before the source's end
	endNotStarted                 // the source could not be started
)

// newSource returns the source that args ask for: a command, which it looks up, or
// standard input.
func newSource(o options, args []string) (source, error) {
	if len(args) == 1 && args[0] == "-" || len(args) == 0 && !tty.IsTerminal(os.Stdin) {
		return &pipe{title: cmp.Or(o.title, "standard input"), asked: o.size, quiet: o.quiet}, nil
	}
	if len(args) == 0 {
		return nil, fail(errors.New("no command, and standard input is a terminal"), "see wsrun --help")
	}
	path, err := lookPath(args[0])
	if err != nil {
		return nil, err
	}
	return &command{title: cmp.Or(o.title, strings.Join(args, " ")), path: path, args: args, asked: o.size, quiet: o.quiet}, nil
}

// startSize returns the size that a source's terminal starts with: asked, or if that is
// zero the local terminal's, or the default.
func startSize(asked size) size {
	if asked != (size{}) {
		return asked
	}
	if cols, rows, ok := tty.Size(); ok {
		return size{cols, rows}
	}
	return size{defaultCols, defaultRows}
}

// event returns the event that gives a terminal the size z.
func (z size) event() broadcaster.Resize { return broadcaster.Resize{Cols: z.cols, Rows: z.rows} }
