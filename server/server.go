// Package server shows streams to whoever asks: the page, WebSocket, plain text and
// server-sent events at one URL, and service routes below /-/. Viewers can never write.
//
// docs/protocol.md describes the wire.
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

	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/logs"
)

const (
	// Limits on a request's head. There is no WriteTimeout: responses stream.
	headerTime  = 5 * time.Second
	headerBytes = 16 << 10
	idleTime    = 120 * time.Second

	// headerSlop is what net/http lets a head have over MaxHeaderBytes.
	headerSlop = 4 << 10
)

// Options says what is served and to whom. Catalog and Addr are needed.
type Options struct {
	Catalog Catalog // the server closes it
	Version string

	Addr         net.Addr            // of the listener
	Host         string              // that the user asked to listen on; may be empty
	AllowHosts   []string            // other exact values of the Host header
	AllowOrigins []string            // other exact values of the Origin header
	Token        string              // empty: none is needed, but for Users
	Users        *access.Users       // instead of a token; nil without
	Certificate  *access.Certificate // nil: no TLS
	Base         string              // path that everything is below, such as /logs/; empty for /

	Deflate    bool         // output, for WebSockets that offer it
	MaxViewers int          // at a time; 0 is any number
	Log        *slog.Logger // nil: nothing is logged

	compile compileFunc // for tests; nil: that of a new logs.Compiler
}

// A compileFunc compiles an expression of grep, as [logs.Compiler.Compile] does.
type compileFunc func(ctx context.Context, expr string, invert bool) (logs.Filter, error)

// A Server serves a catalog on one listener.
type Server struct {
	o        Options
	guard    *access.Guard
	catalog  Catalog
	sessions *hub.Sessions
	compile  compileFunc
	http     http.Server

	refusals refusals
	full     logLimiter // of requests for which there was no room
	accepts  accepts
}

// New returns a server for o. Options must not be changed afterwards.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o: o, catalog: o.Catalog, compile: o.compile,
		guard: access.NewGuard(access.Options{
			Addr: o.Addr, Host: o.Host, AllowHosts: o.AllowHosts, AllowOrigins: o.AllowOrigins,
			Token: o.Token, Users: o.Users, TLS: o.Certificate != nil, Base: o.Base,
		}),
		sessions: hub.NewSessions(hub.SessionOptions{MaxViewers: o.MaxViewers, Deflate: o.Deflate, Log: o.Log}),
	}
	if s.compile == nil {
		s.compile = logs.NewCompiler().Compile
	}
	s.http = http.Server{
		Handler:           noStoreErrors(s.guard.Wrap(s.routes(), s.refuse)),
		ReadHeaderTimeout: headerTime,
		MaxHeaderBytes:    headerBytes - headerSlop,
		IdleTimeout:       idleTime,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug), // what strangers do wrong is no news

		ConnContext: hub.ConnContext,

		DisableGeneralOptionsHandler: true, // it would bypass the guard
	}
	if o.Certificate != nil {
		s.http.TLSConfig = o.Certificate.Config()
	}
	return s
}

// Serve answers on l until Shutdown, then returns [http.ErrServerClosed].
func (s *Server) Serve(l net.Listener) error {
	l = hub.Listener(l, s.acceptFailed)
	if s.o.Certificate != nil {
		l = tls.NewListener(l, s.http.TLSConfig)
	}
	return s.http.Serve(l)
}

// Shutdown stops listening and waits until every viewer has left: the streams should be
// closed by then, so that viewers get what is left and a close frame. When ctx is done,
// those that remain are cut off.
func (s *Server) Shutdown(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		s.sessions.Cut()
		s.http.Close()
	})
	defer stop()
	s.catalog.End()
	s.http.Shutdown(ctx)
	s.sessions.Wait()
	s.catalog.Close()
	s.sessions.Cut()
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.serveCatalog)
	mux.HandleFunc("/-/", s.notFound)
	mux.HandleFunc("/-/healthz", s.reading(s.serveHealth))
	mux.HandleFunc("/-/status", s.reading(s.serveStatus))
	mux.HandleFunc("/-/metrics", s.reading(s.serveMetrics))
	mux.HandleFunc("/-/static/{digest}/{name...}", s.reading(s.serveStatic))
	mux.HandleFunc("/-/qr", s.reading(s.serveQR))
	mux.HandleFunc("/-/login", s.serveLogin)
	base := cmp.Or(s.o.Base, "/")
	if base == "/" {
		return clean(mux)
	}
	below := http.NewServeMux()
	below.HandleFunc("/", s.notFound)
	below.Handle(base, http.StripPrefix(strings.TrimSuffix(base, "/"), mux))
	return clean(below)
}

// clean redirects to a path without // and dots before next, a ServeMux, does: that
// escapes once more what is escaped.
func clean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

// reading refuses requests that would write before next sees them.
func (s *Server) reading(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.refuse(w, r, notAllowed("GET, HEAD", "viewers can only read"))
			return
		}
		next(w, r)
	}
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, &access.Refusal{Reason: reasonNotFound, Status: http.StatusNotFound, Text: "404 page not found"})
}

func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.refuse(w, r, notAllowed("POST", "a log-in is a POST"))
	} else if refused := s.guard.Login(w, r); refused != nil {
		s.refuse(w, r, refused)
	}
}
