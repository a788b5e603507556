//go:build unix

package cli

import (
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/tty"
	"wsrun/ptyproc"
)

// requests are the signals by which others want wsrun, or its command, to do
// something.
var requests = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

func isRequest(s os.Signal) bool { return slices.Contains(requests, s) }

// catchSignals returns a channel of the signals that wsrun handles. Those that it
// was started to ignore, as by nohup, stay ignored.
func catchSignals(isCommand bool) chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range requests {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	if isCommand {
		signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)
	}
	// Writing to a closed standard output must be an error, not the end. Ignoring
	// would be inherited by the command.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signals
}

// runCommand runs the command until its end and its last byte. It starts a
// goroutine for the command, and waits for it. It calls started when the command has.
func runCommand(o options, src source, z size, b *broadcaster.Broadcaster, signals chan os.Signal, started func()) (ending, error) {
	stopped := make(chan struct{}, 1)
	po := ptyproc.Options{
		Path: src.path, Args: src.args, Env: environment(), Cols: z.cols, Rows: z.rows,
		Stopped: func() {
			select {
			case stopped <- struct{}{}:
			default:
			}
		},
	}
	term := tty.Open()
	if term == nil {
		po.Stdin = os.Stdin
	}
	term.Attach()
	defer term.Detach()
	p, err := ptyproc.Start(po)
	if err != nil {
		return ending{Status: ptyproc.Status{Code: exitNotExecutable}}, commandFailure(src.args[0], err)
	}
	started()
	go term.ForwardKeys(p) // ends with the process: nothing can interrupt its read

	out := newTee(b, o)
	defer out.close()
	done := make(chan ptyproc.Status, 1)
	go func() { done <- p.Run(out) }()
	// The terminal may have got another size while it was not ours.
	follow := func() {
		if cols, rows, ok := tty.Size(); ok && o.size == (size{}) && z != (size{cols, rows}) {
			z = size{cols, rows}
			b.Emit(broadcaster.Resize{Cols: z.cols, Rows: z.rows})
			p.Resize(z.cols, z.rows)
		}
	}
	asked := false // to stop, by a SIGTSTP
	// Told to end, and ended, the command has no use for a standard output that
	// takes nothing.
	ended, told := p.Done(), false
	var enough <-chan time.Time
	for {
		select {
		case status := <-done:
			// From here on they mean wsrun alone.
			signal.Reset(syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH)
			return ending{Status: status}, nil
		case <-ended:
			if ended = nil; told {
				enough = time.After(drainTime)
			}
		case <-enough:
			out.abandon()
		case <-stopped:
			if asked || term.Attached() {
				term.Suspend()
				follow()
				p.Signal(syscall.SIGCONT)
			}
			asked = false
		case s := <-signals:
			switch s {
			case syscall.SIGWINCH:
				follow()
			case syscall.SIGTSTP:
				asked = true
				p.Signal(syscall.SIGSTOP) // stopped follows
			case syscall.SIGCONT:
				term.Attach()
				follow()
			default:
				p.Signal(s.(syscall.Signal))
				if s == syscall.SIGUSR1 || s == syscall.SIGUSR2 {
					continue
				}
				if told = true; ended == nil {
					enough = time.After(drainTime)
				}
			}
		}
	}
}

// reapOrphans starts, for PID 1, a goroutine that does that for the rest of the
// process' life.
func reapOrphans() {
	if os.Getpid() == 1 {
		go ptyproc.Reap()
	}
}

// environment returns the command's: wsrun's own without what is secret, and with
// a terminal type where there is none, since the page is a capable terminal.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WSRUN_TOKEN=") })
	if t := os.Getenv("TERM"); t == "" || t == "dumb" && !tty.IsTerminal(os.Stdin) {
		env = append(env, "TERM=xterm-256color")
	}
	return env
}

// privateUmask makes new files the user's own, until the function that it returns
// is called.
func privateUmask() func() {
	old := syscall.Umask(0o177)
	return func() { syscall.Umask(old) }
}
