//go:build unix

package cli

import (
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"wsrun/broadcaster"
	"wsrun/internal/tty"
	"wsrun/ptyproc"
)

// extraSignals implements [source]: the signals of job control, and of a new size.
func (*command) extraSignals() []os.Signal {
	return []os.Signal{syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT}
}

// fill implements [source]. It runs the command until its end and its last byte. The
// local terminal is the command's own from before its start until fill returns.
//
// fill starts a goroutine that forwards keys, and leaves it behind, because nothing can
// interrupt its read.
func (c *command) fill(sink broadcaster.Sink, signals <-chan os.Signal, started func()) ending {
	stopped := make(chan struct{}, 1)
	o := ptyproc.Options{
		Path: c.path, Args: c.args, Env: environment(), Cols: c.size.cols, Rows: c.size.rows,
		Stopped: func() {
			select {
			case stopped <- struct{}{}:
			default:
			}
		},
	}
	term := tty.Open()
	if term == nil { // otherwise standard input is the PTY
		o.Stdin = os.Stdin
	}
	term.Attach()
	defer term.Detach()
	p, err := ptyproc.Start(o)
	if err != nil {
		return ending{state: endNotStarted, err: commandFailure(c.args[0], err)}
	}
	started()
	go term.ForwardKeys(p)

	out := newTee(sink, c.quiet)
	defer out.close()
	s := &supervisor{
		proc: p, term: term, out: out, size: c.size, fixed: c.asked != (size{}),
		stopped: stopped, ended: p.Done(),
	}
	status := s.run(signals)
	// From here on these signals have their usual effect on wsrun.
	signal.Reset(c.extraSignals()...)
	return ending{state: endFinished, status: status}
}

// A supervisor looks after a command while it runs: it passes signals on, suspends wsrun
// together with the command, and keeps the size of the PTY that of the local terminal.
// Only the goroutine that calls run uses its fields.
type supervisor struct {
	proc  *ptyproc.Proc
	term  *tty.Terminal
	out   *tee
	size  size // of the PTY
	fixed bool // the user has set the size

	stopped <-chan struct{} // receives when a signal has stopped the command
	ended   <-chan struct{} // closed at the command's end; nil once that is handled

	suspending bool            // a SIGTSTP has asked for the next stop
	ending     bool            // a signal has asked the command to end
	deadline   <-chan struct{} // for standard output; nil until ending, and the end
}

// run copies the command's output until its end and its last byte, handles signals in the
// meantime, and returns how the command ended. It starts a goroutine that copies, and
// waits for it.
func (s *supervisor) run(signals <-chan os.Signal) ptyproc.Status {
	done := make(chan ptyproc.Status, 1)
	go func() { done <- s.proc.Run(s.out) }()
	for {
		select {
		case status := <-done:
			return status
		case <-s.ended:
			s.ended = nil
			s.setDeadline()
		case <-s.deadline:
			s.deadline = nil
			s.out.abandon()
		case <-s.stopped:
			s.handleStop()
		case sig := <-signals:
			s.handleSignal(sig.(syscall.Signal))
		}
	}
}

// handleStop is called when a signal has stopped the command. wsrun stops as well if a
// SIGTSTP asked for the stop, or if the terminal is attached and would be stuck; when
// wsrun is continued, it continues the command. Otherwise the command stays stopped until
// someone continues it.
func (s *supervisor) handleStop() {
	if s.suspending || s.term.Attached() {
		s.term.Suspend()
		s.followSize()
		s.proc.Signal(syscall.SIGCONT)
	}
	s.suspending = false
}

func (s *supervisor) handleSignal(sig syscall.Signal) {
	switch sig {
	case syscall.SIGWINCH:
		s.followSize()
	case syscall.SIGTSTP:
		s.suspending = true
		s.proc.Signal(syscall.SIGSTOP) // handleStop is next
	case syscall.SIGCONT:
		s.term.Attach()
		s.followSize() // the size may have changed while the terminal was not attached
	case syscall.SIGUSR1, syscall.SIGUSR2:
		s.proc.Signal(sig)
	default:
		s.proc.Signal(sig)
		s.ending = true
		s.setDeadline()
	}
}

// setDeadline gives standard output drainTime to take the rest of the output, if the
// command was asked to end and has ended: a blocked standard output must not keep wsrun
// running then.
func (s *supervisor) setDeadline() {
	if s.ending && s.ended == nil {
		s.deadline = awake(drainTime)
	}
}

// followSize gives the PTY the size of the local terminal, unless the user has set a size.
func (s *supervisor) followSize() {
	cols, rows, ok := tty.Size()
	if z := (size{cols, rows}); ok && !s.fixed && z != s.size {
		s.size = z
		s.out.Emit(z.event())
		s.proc.Resize(cols, rows)
	}
}

// requests returns the signals by which others ask wsrun or its command to do something.
func requests() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}
}

// isRequest reports whether s is one of [requests].
func isRequest(s os.Signal) bool { return slices.Contains(requests(), s) }

// catchSignals returns a channel of the signals that wsrun handles: requests and extra
// ones. Requests that wsrun was started to ignore, for example by nohup, stay ignored.
func catchSignals(extra []os.Signal) chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range requests() {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	if len(extra) > 0 { // without any, Notify would mean all signals
		signal.Notify(signals, extra...)
	}
	// Writing to a closed standard output must return an error, not end wsrun. The
	// signal is not ignored, because the command would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signals
}

// reapOrphans starts a goroutine that reaps orphans until the process ends, if wsrun is
// PID 1, as it may be in a container.
func reapOrphans() {
	if os.Getpid() == 1 {
		go ptyproc.Reap()
	}
}

// environment returns the command's environment: wsrun's own without secrets, and with a
// terminal type if there is none, because the page is a capable terminal.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WSRUN_TOKEN=") })
	if t := os.Getenv("TERM"); t == "" || t == "dumb" && !tty.IsTerminal(os.Stdin) {
		env = append(env, "TERM=xterm-256color")
	}
	return env
}

// privateUmask gives new files a mode that lets only the user in, until the caller calls
// restore.
func privateUmask() (restore func()) {
	old := syscall.Umask(0o177)
	return func() { syscall.Umask(old) }
}
