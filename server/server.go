// Package server shows one stream to whoever asks: the page, WebSocket, plain
// text and server-sent events at one URL, and service routes below /-/. Viewers
// can never write.
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
	"slices"
	"strconv"
	"strings"
	"time"

	"wsrun/hub"
	"wsrun/internal/access"
)

const (
	// Limits on a request's head. There is no WriteTimeout: answers stream.
	headerTime  = 5 * time.Second
	headerBytes = 16 << 10
	idleTime    = 120 * time.Second

	// headerSlop is what net/http lets a head have over MaxHeaderBytes.
	headerSlop = 4 << 10
)

// Options says what is served and to whom. Either Stream or Files is needed.
type Options struct {
	hub.Source
	Files   *FileOptions
	Version string

	Addr         net.Addr            // of the listener
	Host         string              // that the user asked to listen on; may be empty
	AllowHosts   []string            // further exact values of the Host header
	AllowOrigins []string            // further exact values of the Origin header
	Token        string              // empty: none is needed, but for Users
	Users        *access.Users       // instead of a token; nil without
	Certificate  *access.Certificate // nil: no TLS
	Base         string              // path that everything is below, as /logs/; empty for /

	Deflate    bool         // output, for WebSockets that offer it
	MaxViewers int          // at a time; 0 is any number
	Log        *slog.Logger // nil: nothing is logged
}

// A Server serves one stream on one listener.
type Server struct {
	o     Options
	guard *access.Guard
	feed  *hub.Feed // of Source; nil without one
	files *files    // nil without any
	http  http.Server

	sessions *hub.Sessions
	refusals refusals
	full     rarely
	accepts  accepts
}

// New returns a server for o. Options are not to be changed afterwards.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, guard: access.NewGuard(access.Options{
		Addr: o.Addr, Host: o.Host, AllowHosts: o.AllowHosts, AllowOrigins: o.AllowOrigins,
		Token: o.Token, Users: o.Users, TLS: o.Certificate != nil, Base: o.Base,
		Page: func(r *http.Request) bool {
			q, err := parseQuery(r.URL.RawQuery)
			return err == nil && formOf(r, q) == asPage
		},
	}), sessions: hub.NewSessions(o.MaxViewers, o.Deflate, o.Log)}
	if o.Files != nil {
		s.files = newFiles(*o.Files)
	} else {
		s.feed = hub.NewFeed(o.Source)
	}
	s.http = http.Server{
		Handler:           s.countRefusals(s.guard.Wrap(s.routes())),
		ReadHeaderTimeout: headerTime,
		MaxHeaderBytes:    headerBytes - headerSlop,
		IdleTimeout:       idleTime,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug), // what strangers do wrong is no news

		ConnContext: hub.ConnContext,

		DisableGeneralOptionsHandler: true, // it would pass by the guard
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

// Shutdown stops listening and waits until every viewer has left: the stream
// should be closed by then, so that they get what is left and a close frame. When
// ctx is done, those that remain are cut off.
func (s *Server) Shutdown(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		s.sessions.Cut()
		s.http.Close()
	})
	defer stop()
	if s.files != nil {
		s.files.endAll()
	}
	s.http.Shutdown(ctx)
	s.sessions.Wait()
	if s.files != nil {
		s.files.close()
	} else {
		s.feed.Close()
	}
	s.sessions.Cut()
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	if s.files != nil {
		mux.HandleFunc("/", s.serveFile)
		mux.HandleFunc("/{$}", s.serveIndex)
	} else {
		mux.HandleFunc("/{$}", s.serveSource)
	}
	mux.HandleFunc("GET /-/healthz", s.serveHealth)
	mux.HandleFunc("GET /-/status", s.serveStatus)
	mux.HandleFunc("GET /-/metrics", s.serveMetrics)
	mux.HandleFunc("GET /-/static/{digest}/{name...}", serveStatic)
	mux.HandleFunc("GET /-/qr", serveQR)
	mux.HandleFunc("POST /-/login", s.guard.ServeLogin)
	base := cmp.Or(s.o.Base, "/")
	if base == "/" {
		return clean(mux)
	}
	below := http.NewServeMux()
	below.Handle(base, http.StripPrefix(strings.TrimSuffix(base, "/"), mux))
	return clean(below)
}

// clean leads to a path without // and dots before next, a ServeMux, does: that
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

// readOnly answers requests that would write, and tells whether r is another.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "viewers can only read", http.StatusMethodNotAllowed)
		return false
	}
	return true
}

// serveSource gives the stream in the form that the request asks for.
func (s *Server) serveSource(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if q.grep.re != nil {
		http.Error(w, "grep is for files", http.StatusBadRequest)
		return
	}
	w.Header().Set("Vary", "Accept")
	form := formOf(r, q)
	if form == asPage {
		s.servePage(w, r, "index.html", s.feed.Title)
		return
	}
	if visit := s.enter(w, r, form, q); visit != nil {
		s.serveFeed(w, visit, s.feed, form, q)
	}
}

// enter gives a request for a form of a stream a place, if it needs one. It returns nil
// if there is none and the request has been answered.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, form form, q query) *hub.Visit {
	if form == asText && !q.follow || r.Method == http.MethodHead {
		return hub.PassingVisit(r)
	}
	visit, err := s.sessions.Enter(r)
	if err != nil {
		s.turnAway(w, r, form, err)
	}
	return visit
}

// serveFeed gives a feed in a form, which is none of a page, and ends the visit.
func (s *Server) serveFeed(w http.ResponseWriter, visit *hub.Visit, f *hub.Feed, form form, q query) {
	switch form {
	case asWebSocket:
		s.sessions.ServeWebSocket(w, visit, f, q.Position, q.deflate)
	case asEvents:
		defer visit.Leave()
		s.serveEvents(w, visit, f, q)
	default:
		defer visit.Leave()
		s.serveText(w, visit, f, q)
	}
}

// A form is one in which a stream can be had.
type form int

const (
	asText form = iota
	asWebSocket
	asPage
	asEvents
)

func formOf(r *http.Request, q query) form {
	switch {
	case headerHas(r, "Upgrade", "websocket"):
		return asWebSocket
	case q.format == "" && headerHas(r, "Accept", "text/html"):
		return asPage
	case q.format == "" && headerHas(r, "Accept", "text/event-stream"):
		return asEvents
	}
	return asText
}

// headerHas tells whether one of a header's comma-separated values is want,
// whatever its case and parameters, but for a weight of zero, which means "not".
func headerHas(r *http.Request, header, want string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(r.Header.Values(header), ","), ","), func(v string) bool {
		v, parameters, _ := strings.Cut(v, ";")
		weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameters), "q="), 64)
		return strings.EqualFold(strings.TrimSpace(v), want) && !(err == nil && weight == 0)
	})
}
