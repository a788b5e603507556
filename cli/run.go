package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/tty"
	"wsrun/ptyproc"
	"wsrun/server"
)

const (
	defaultCols, defaultRows = 120, 30

	// drainTime is how long viewers get to take what is left at the end.
	drainTime = 3 * time.Second
	// pipeTime is how long a pipe is read after a signal: who writes it is often
	// ending from the same Ctrl-C, with last words.
	pipeTime = time.Second
)

// run broadcasts a command, or standard input, and returns its exit status.
//
// The end comes in this order: the last byte is broadcast; the terminal is given
// back; the exit event follows the last byte and the stream is closed, so that
// viewers drain it and are closed in their turn; wsrun lingers; it stops
// listening; viewers that are still at it get drainTime, then are cut off.
func run(o options, args []string) (int, error) {
	src, err := newSource(o, args)
	if err != nil {
		return 0, err
	}
	maxViewers, err := o.viewers(spareFiles)
	if err != nil {
		return 0, err
	}
	if err := o.guardAccess(tty.IsTerminal(os.Stdin)); err != nil {
		return 0, err
	}
	signals := catchSignals(src.isCommand)
	l, host, err := listen(o.addr)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	o.makeToken(l)
	limitGarbage(int64(o.buffer))
	b := broadcaster.New(broadcaster.Options{Lines: int(o.lines), Bytes: int(o.buffer)})
	size := o.terminalSize()
	b.Emit(broadcaster.Resize{Cols: size.cols, Rows: size.rows})
	started := time.Now()
	log, flush := newServerLog(slog.Level(o.logLevel))
	defer flush()
	srv := server.New(server.Options{
		Source:  server.Source{Stream: b, Title: src.title, Command: src.args, Started: started},
		Version: o.version,
		Addr:    l.Addr(), Host: host, AllowHosts: o.allowHosts, AllowOrigins: o.allowOrigins,
		Token: string(o.token), Users: o.users, Certificate: o.certificate, Base: o.basePath,
		Deflate: !o.compress.off, MaxViewers: maxViewers, Log: log,
	})
	served := make(chan error, 1)
	// Only when the command runs: connections could take the descriptors that its
	// start needs. Until then they wait in the kernel.
	serve := sync.OnceFunc(func() { go func() { served <- srv.Serve(l) }() })
	urls := o.urls(l, host)
	defer announce(o, urls)()

	var end ending
	if src.isCommand {
		end, err = runCommand(o, src, size, b, signals, serve)
		serve()
	} else {
		serve()
		end = copyPipe(o, b, signals)
	}
	if err == nil && !end.cutShort {
		b.Emit(broadcaster.Exit{Code: end.Code, Signal: end.Signal, Duration: time.Since(started)})
	}
	b.Close()
	if err == nil && !end.cutShort {
		o.stay(end, urls[0], signals)
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	srv.Shutdown(ctx)
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		say("serve: %v", serveErr)
	}
	return end.Code, err
}

// An ending is how the source ended. It is cut short if wsrun was told to stop
// before its end.
type ending struct {
	ptyproc.Status
	cutShort bool
}

// A source is what is broadcast: a command, or standard input.
type source struct {
	title     string
	isCommand bool
	path      string // of the command
	args      []string
}

// newSource finds out what args mean, and finds the command.
func newSource(o options, args []string) (source, error) {
	if len(args) == 1 && args[0] == "-" || len(args) == 0 && !tty.IsTerminal(os.Stdin) {
		return source{title: cmp.Or(o.title, "standard input")}, nil
	}
	if len(args) == 0 {
		return source{}, fail(errors.New("no command, and standard input is a terminal"), "see wsrun --help")
	}
	src := source{title: cmp.Or(o.title, strings.Join(args, " ")), isCommand: true, args: args}
	var err error
	src.path, err = exec.LookPath(args[0])
	if args[0] == "" {
		err = exec.ErrNotFound
	}
	if err != nil {
		return source{}, commandFailure(args[0], err)
	}
	return src, nil
}

// commandFailure turns an error that a command could not be found or started for
// into one with the status that shells have for it.
func commandFailure(name string, err error) error {
	switch {
	case errors.Is(err, exec.ErrDot):
		return &failure{fmt.Errorf("run %q: it is only in the current directory", name), exitNotExecutable, "write ./" + name}
	case errors.Is(err, fs.ErrNotExist) && exists(name):
		return &failure{fmt.Errorf("run %q: its interpreter is missing", name), exitNotExecutable, "look at its first line"}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &failure{fmt.Errorf("command not found: %q", name), exitNotFound, ""}
	case errors.Is(err, syscall.EISDIR):
		return &failure{fmt.Errorf("run %q: it is a directory", name), exitNotExecutable, ""}
	case errors.Is(err, fs.ErrPermission):
		return &failure{fmt.Errorf("run %q: permission denied", name), exitNotExecutable, ""}
	case errors.Is(err, syscall.ENOEXEC):
		return &failure{fmt.Errorf("run %q: not a program", name), exitNotExecutable, "a script needs a first line such as #!/bin/sh"}
	}
	return fail(err, "")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// terminalSize returns the size that was asked for, else the local terminal's,
// else the default.
func (o options) terminalSize() size {
	if o.size != (size{}) {
		return o.size
	}
	if cols, rows, ok := tty.Size(); ok {
		return size{cols, rows}
	}
	return size{defaultCols, defaultRows}
}

// stay lingers until the time is over or a signal comes.
func (o options) stay(end ending, url string, signals chan os.Signal) {
	l := o.linger
	if l.auto {
		l.forever = tty.IsTerminal(os.Stdin) || tty.IsTerminal(os.Stderr)
	}
	if !l.forever && l.duration == 0 {
		return
	}
	if !tty.IsTerminal(os.Stderr) {
		url = withoutToken(url) // it was printed before, if it may be
	}
	say("ended with status %d; still serving %s (Ctrl-C ends that)", end.Code, url)
	var over <-chan time.Time
	if !l.forever {
		over = time.After(l.duration)
	}
	for {
		select {
		case <-over:
			return
		case s := <-signals:
			if isRequest(s) {
				return
			}
		}
	}
}

// copyPipe broadcasts standard input until its end. The goroutine that reads ends
// with it; after a signal it is left behind, as nothing can interrupt its read.
func copyPipe(o options, b *broadcaster.Broadcaster, signals chan os.Signal) ending {
	reapOrphans()
	done := make(chan error, 1)
	go func() {
		out := newTee(newlineWriter{b}, o)
		defer out.close()
		_, err := io.Copy(out, standardInput())
		done <- err
	}()
	ended := func(err error) ending {
		if err == nil {
			return ending{}
		}
		say("read standard input: %v", cause(err))
		return ending{Status: ptyproc.Status{Code: exitFailed}}
	}
	for {
		select {
		case err := <-done:
			return ended(err)
		case s := <-signals:
			if !isRequest(s) {
				continue
			}
			select {
			case <-done:
			case <-signals:
			case <-time.After(pipeTime):
			}
			return ending{Status: ptyproc.Status{Code: 128 + int(s.(syscall.Signal))}, cutShort: true}
		}
	}
}

// A newlineWriter writes \n as \r\n, as a terminal would.
type newlineWriter struct{ w io.Writer }

func (n newlineWriter) Write(p []byte) (int, error) {
	if _, err := n.w.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shortToken is how many bytes a token should have at least, where others can try to
// guess it.
const shortToken = 16

// makeToken makes one if others can reach l and the user has not decided that.
func (o *options) makeToken(l net.Listener) {
	switch {
	case isPrivate(l):
	case o.token == "" && o.users == nil && !o.public:
		o.token, o.madeToken = secret(rand.Text()), true
	case o.token != "" && len(o.token) < shortToken:
		sayHint(slog.LevelWarn, fmt.Sprintf("the token is short: others can reach %s, and try", l.Addr()), "leave it out for a random one")
	}
}

// isPrivate tells whether only this machine can reach l; of a Unix socket, which
// systemd may have made, whether only some of its users can. An abstract one is for
// all.
func isPrivate(l net.Listener) bool {
	if addr, ok := l.Addr().(*net.TCPAddr); ok {
		return addr.IP.IsLoopback()
	}
	path := l.Addr().String()
	info, err := os.Stat(path)
	return err == nil && path[0] != '@' && info.Mode().Perm()&0o002 == 0
}

// limitGarbage makes the collector run after at most 16 MiB of garbage, however
// large the ring is: left alone it would let the heap become twice the ring. The
// ring holds no pointers, so that running often costs little.
func limitGarbage(ring int64) {
	const garbage = 16 << 20
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(max(1, int(100*garbage/(ring+garbage))))
	}
}
