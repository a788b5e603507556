// Package server serves streams over HTTP: each stream is a page, a WebSocket, plain text
// and server-sent events at a single URL, and service routes are below /-/. Viewers can
// never write.
//
// The URLs and the protocol are described in docs/protocol.md.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/logs"
)

const (
	// Limits on a request's header, so that clients that send it slowly, or never end it,
	// hold little. There is no WriteTimeout, because responses are streams.
	headerTime  = 5 * time.Second
	headerBytes = 16 << 10

	// idleTime is how long a keep-alive connection may wait for its next request.
	idleTime = 120 * time.Second

	// partTime is how long viewers that are still behind at the end have to take a close frame.
	partTime = time.Second

	// headerSlop is how far net/http lets a header exceed MaxHeaderBytes.
	headerSlop = 4 << 10
)

// Options says what a [Server] serves, and to whom. Catalog and Addr are required; the zero
// values of the other fields are the defaults.
type Options struct {
	Catalog Catalog // closed by Shutdown
	Version string  // of wsrun, for the status and the metrics

	Addr         net.Addr            // address of the listener
	Host         string              // host that the user asked to listen on; may be empty
	AllowHosts   []string            // additional exact values of the Host header
	AllowOrigins []string            // additional exact values of the Origin header
	Token        string              // if not empty, clients must present it
	Users        *access.Users       // if not nil, clients must log in as one of them; replaces Token
	Certificate  *access.Certificate // if not nil, the listener speaks TLS
	Base         string              // path below which everything is served, such as /logs/; empty means /

	Deflate    bool         // compress output for WebSockets that offer it
	MaxViewers int          // maximum number of simultaneous viewers; 0 means no limit
	Log        *slog.Logger // if nil, nothing is logged
	Panics     *hub.Panics  // contains panics, and should be the catalog's as well; if nil, New makes one

	// MaxStrangers is the maximum number of connections that have shown no credentials, if there is a
	// Token or Users; 0 means no limit.
	MaxStrangers int

	compile compileFunc // for tests; if nil, that of a new logs.Compiler
}

// A compileFunc compiles an expression of grep, as [logs.Compiler.Compile] does.
type compileFunc func(ctx context.Context, expr string, invert bool) (logs.Filter, error)

// A Server serves a catalog on one listener. [Server.Shutdown] may be called while
// [Server.Serve] runs.
type Server struct {
	o        Options
	guard    *access.Guard
	catalog  Catalog
	sessions *hub.Sessions
	gate     *gate
	filters  *semaphore.Weighted // instructions that the expressions of those who follow a stream may have
	compile  compileFunc
	lists    lists // that are being sent
	http     http.Server

	strangers *strangers
	refusals  refusals
	full      logLimiter // for requests that were turned away
	accepts   acceptLog
}

// New returns a server. The caller must not change o's slices afterwards, and must call
// [Server.Shutdown].
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Panics == nil {
		o.Panics = hub.NewPanics(o.Log)
	}
	s := &Server{
		o: o, catalog: o.Catalog, compile: o.compile,
		guard: access.NewGuard(access.Options{
			Addr: o.Addr, Host: o.Host, AllowHosts: o.AllowHosts, AllowOrigins: o.AllowOrigins,
			Token: o.Token, Users: o.Users, TLS: o.Certificate != nil, Base: o.Base,
		}),
		gate:     newGate(),
		filters:  semaphore.NewWeighted(maxFilters),
		sessions: hub.NewSessions(hub.SessionOptions{MaxViewers: o.MaxViewers, Deflate: o.Deflate, Log: o.Log, Panics: o.Panics}),
	}
	if s.compile == nil {
		s.compile = logs.NewCompiler().Compile
	}
	most := o.MaxStrangers
	if o.Token == "" && o.Users == nil {
		most = 0
	}
	s.strangers = newStrangers(most)
	s.http = http.Server{
		Handler:           s.contain(respond(s.guard.Wrap(s.strangers.recognize(s.routes()), s.refuse))),
		ReadHeaderTimeout: headerTime,
		MaxHeaderBytes:    headerBytes - headerSlop,
		IdleTimeout:       idleTime,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug), // mostly strangers' bad requests

		ConnContext: s.connContext,
		ConnState:   s.connState,

		DisableGeneralOptionsHandler: true, // it would bypass the guard
	}
	if o.Certificate != nil {
		s.http.TLSConfig = s.tlsConfig()
	}
	return s
}

// Serve serves connections of l until [Server.Shutdown] closes l, and then returns
// [http.ErrServerClosed]. A failure to accept a connection is logged and doesn't end Serve.
func (s *Server) Serve(l net.Listener) error {
	l = s.sessions.Listener(l, s.acceptFailed)
	if s.o.Certificate != nil {
		l = tls.NewListener(l, s.http.TLSConfig)
	}
	return s.http.Serve(l)
}

// Shutdown stops listening, waits until every viewer has disconnected, and closes the
// catalog. A stream of [Single] must be closed before: its viewers then get the rest of the
// output and a close frame. When ctx is done, the remaining WebSockets get a close frame, and those connections
// that are left partTime later are cut off.
func (s *Server) Shutdown(ctx context.Context) {
	left := make(chan struct{})
	defer close(left)
	cut := func() {
		s.sessions.EndDrain()
		select {
		case <-time.After(partTime):
		case <-left:
		}
		s.sessions.Cut()
		s.http.Close()
	}
	stop := context.AfterFunc(ctx, func() {
		defer s.o.Panics.Contain("cut off all viewers", cut)
		cut()
	})
	defer stop()
	s.catalog.End()
	s.http.Shutdown(ctx)
	s.sessions.Wait()
	s.catalog.Close()
	s.sessions.Cut()
}

// A route is a pattern of [http.ServeMux], below the base path, and its handler.
type route struct {
	pattern string
	serve   http.HandlerFunc
}

// table lists all routes.
func (s *Server) table() []route {
	return []route{
		{"/", s.serveCatalog},
		{"/-/", s.notFound},
		{"/-/healthz", s.reading(s.serveHealth)},
		{"/-/status", s.reading(s.serveStatus)},
		{"/-/metrics", s.reading(s.serveMetrics)},
		{"/-/static/{digest}/{name...}", s.reading(s.serveStatic)},
		{"/-/qr", s.reading(s.serveQR)},
		{"/-/login", s.serveLogin},
	}
}

// routes returns the handler of all requests that the guard lets through.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		mux.HandleFunc(r.pattern, r.serve)
	}
	base := cmp.Or(s.o.Base, "/")
	if base == "/" {
		return s.clean(mux)
	}
	below := http.NewServeMux()
	below.HandleFunc("/", s.notFound)
	below.Handle(base, http.StripPrefix(strings.TrimSuffix(base, "/"), mux))
	return s.clean(below)
}

// clean redirects to a path without // and dots. It does so before next, a ServeMux, can:
// ServeMux would escape the path twice. It also refuses a request for *, which has no path.
func (s *Server) clean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI == "*" {
			s.refuse(w, r, badRequest("* is no path"))
			return
		}
		asked := r.URL.EscapedPath()
		to := path.Clean(asked)
		if strings.HasSuffix(asked, "/") && to != "/" {
			to += "/"
		}
		if to == asked || !strings.HasPrefix(asked, "/") {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	})
}

// reading refuses all methods but GET and HEAD.
func (s *Server) reading(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.reads(w, r) {
			next(w, r)
		}
	}
}

// reads reports whether a request's method is GET or HEAD. If not, reads refuses the request.
func (s *Server) reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	s.refuse(w, r, notAllowed("GET, HEAD", "viewers can only read"))
	return false
}

// notFound responds with 404.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, missing("404 page not found"))
}

// serveLogin serves /-/login, where a POST exchanges credentials for a cookie.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.refuse(w, r, notAllowed("POST", "a log-in is a POST"))
	} else if refused := s.guard.Login(w, r); refused != nil {
		s.refuse(w, r, refused)
	}
}
