package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"wsrun/hub"
	"wsrun/internal/tty"
	"wsrun/server"
)

// drainTime is how long viewers, and standard output, get to take the rest of the output
// at the end.
const drainTime = 3 * time.Second

// stopTime is how long the end may take in all. Only a file system that hangs takes longer.
const stopTime = drainTime + 2*time.Second

// serviceOptions says in what respects listening commands differ.
type serviceOptions struct {
	spareFiles   int         // open files to reserve for everything but viewers
	stdinFree    bool        // nothing but --token - reads standard input
	extraSignals []os.Signal // to catch in addition to requests
}

// A service is what all listening commands share: a socket, a server behind it, and the
// signals that end wsrun. A command calls newService, open, accept, announce, wait or
// linger, and shutdown. Only one goroutine may use a service, but any goroutine may call
// accept.
type service struct {
	options    options // with what newService read and made: users, certificate, token
	maxViewers int
	signals    chan os.Signal
	listener   net.Listener
	host       string   // that --addr names
	urls       []string // of the listener; the first is for this machine

	log      *slog.Logger // the server's
	panics   *hub.Panics  // for the catalog and the server; logs to log
	flushLog func()
	server   *server.Server
	serving  sync.WaitGroup // the goroutine that accept starts
	failure  error          // what Serve returned; set when serving is done
	cleanUp  func()         // removes the page that announce opened a browser with
	release  func()         // closes what the catalog reads from

	// accept starts to accept connections, which wait in the kernel until then. It
	// starts a goroutine, which shutdown waits for. Only the first call does anything.
	// If net/http itself panics there, it has closed the listener: present viewers stay.
	accept func()
}

// newService checks the flags that all listening commands share, catches signals, listens
// and starts the server's log. Unless it returns an error, the caller must call open.
func newService(o options, so serviceOptions) (*service, error) {
	maxViewers, err := o.viewers(so.spareFiles)
	if err != nil {
		return nil, err
	}
	if err := o.guardAccess(so.stdinFree); err != nil {
		return nil, err
	}
	signals := catchSignals(so.extraSignals)
	l, host, err := listen(o.addr)
	if err != nil {
		return nil, err
	}
	o.makeToken(l)
	limitGarbage(int64(o.buffer))
	log, panics, flush := newServerLog(slog.Level(o.logLevel))
	return &service{
		log: log, panics: panics, flushLog: flush,
		options: o, maxViewers: maxViewers, signals: signals, listener: l, host: host, urls: o.urls(l, host),
		cleanUp: func() {}, release: func() {},
	}, nil
}

// open creates the server of a catalog. The caller must call shutdown.
func (s *service) open(c server.Catalog) {
	o := s.options
	s.server = server.New(server.Options{
		Catalog: c, Version: o.version, Addr: s.listener.Addr(), Host: s.host,
		AllowHosts: o.allowHosts, AllowOrigins: o.allowOrigins,
		Token: string(o.token), Users: o.users, Certificate: o.certificate, Base: o.basePath,
		Deflate: !o.compress.off, MaxViewers: s.maxViewers, MaxStrangers: maxStrangers(), Log: s.log, Panics: s.panics,
	})
	s.accept = sync.OnceFunc(func() {
		s.panics.KeepRunning(&s.serving, "accept connections", func() { s.failure = s.server.Serve(s.listener) }, nil)
	})
}

// announce shows the user where to look.
func (s *service) announce() { s.cleanUp = announce(s.options, s.urls, s.panics) }

// wait returns at the next request, or when over receives, which may be nil.
func (s *service) wait(over <-chan time.Time) {
	for {
		select {
		case <-over:
			return
		case sig := <-s.signals:
			if isRequest(sig) {
				return
			}
		}
	}
}

// linger serves a stream that has ended, for the time that --linger says or until the
// next request. code is the exit status to report.
func (s *service) linger(code int) {
	l := s.options.linger
	if l.auto {
		l.forever = tty.IsTerminal(os.Stdin) || tty.IsTerminal(os.Stderr)
	}
	if !l.forever && l.duration == 0 {
		return
	}
	url := s.urls[0]
	if !tty.IsTerminal(os.Stderr) {
		url = withoutToken(url) // announce has printed the token if a log may show it
	}
	say("ended with status %d; still serving %s (Ctrl-C ends that)", code, url)
	var over <-chan time.Time
	if !l.forever {
		over = time.After(l.duration)
	}
	s.wait(over)
}

// shutdown ends the server, and returns when nothing of it is left, or after stopTime. Another
// request then ends wsrun at once. wsrun ends in this order:
//
//  1. The source writes its last byte, to viewers and to standard output.
//  2. The local terminal is restored.
//  3. The exit event follows the last byte, and the stream is closed: viewers get what
//     is left, and are then closed in turn. There is no exit event if a signal has cut a
//     pipe short.
//  4. wsrun lingers, except after a pipe that was cut short.
//  5. wsrun stops accepting connections. Viewers that are still behind get drainTime,
//     and are then cut off.
//  6. The page that opened the browser is removed, the log is flushed, and the socket
//     is closed.
//  7. Whatever the streams read from is closed: the files, and what watches them.
//
// A command that serves files has no steps 1 to 4. shutdown is steps 5 to 7.
func (s *service) shutdown() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.panics.Contain("end", s.end)
		s.end()
	}()
	over := awake(stopTime)
	for {
		select {
		case <-done:
			return
		case <-over:
			say("a file system hangs: leaving without waiting for it")
			return
		case sig := <-s.signals:
			if isRequest(sig) {
				os.Exit(128 + int(sig.(syscall.Signal)))
			}
		}
	}
}

// end is shutdown without a limit on time. A panic keeps it neither from the next step nor from returning.
func (s *service) end() {
	for _, step := range []func(){s.endServing, s.cleanUp, s.flushLog, func() { s.listener.Close() }, s.release} {
		func() {
			defer s.panics.Contain("end", nil)
			step()
		}()
	}
}

// endServing ends the server when viewers have the rest of the output, or after drainTime.
func (s *service) endServing() {
	s.accept() // so that Serve returns
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cut := func() {
		<-awake(drainTime)
		cancel()
	}
	go func() {
		defer s.panics.Contain("limit the time of viewers", cut)
		cut()
	}()
	s.server.Shutdown(ctx)
	s.serving.Wait()
	if !errors.Is(s.failure, http.ErrServerClosed) {
		say("serve: %v", s.failure)
	}
}

// limitGarbage makes the garbage collector run after at most 6 MiB of garbage, however
// large the ring is. By default the heap would grow to twice the ring. The ring holds no
// pointers, so running often costs little.
func limitGarbage(ring int64) {
	const garbage = 6 << 20
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(max(1, int(100*garbage/(ring+garbage))))
	}
}
