package server

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// newsTime is the least time between two log lines of the same trouble.
const newsTime = 10 * time.Second

// reasonFull is the reason of a refusal for lack of room.
const reasonFull = "full"

// reasonOf is what a status means as the reason of a refusal; empty for others.
func reasonOf(status int) string {
	switch status {
	case http.StatusBadRequest, http.StatusUpgradeRequired:
		return "bad_request"
	case http.StatusUnauthorized:
		return "token"
	case http.StatusForbidden:
		return "origin"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method"
	case http.StatusMisdirectedRequest:
		return "host"
	case http.StatusTooManyRequests:
		return "rate"
	case http.StatusServiceUnavailable:
		return reasonFull
	}
	return ""
}

// reasons are those there are, in order.
var reasons = [...]string{"bad_request", reasonFull, "host", "method", "not_found", "origin", "rate", "token"}

// refusals counts them by reason.
type refusals [len(reasons)]atomic.Int64

// refused counts and logs a refusal.
func (s *Server) refused(r *http.Request, reason string) {
	s.refusals[slices.Index(reasons[:], reason)].Add(1)
	ctx := context.Background()
	if !s.o.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	about := []slog.Attr{
		slog.String("reason", reason), slog.String("remote", r.RemoteAddr), slog.String("method", r.Method),
		slog.String("host", r.Host), slog.String("path", r.URL.Path), // not the query: people put secrets there
	}
	if reason == "origin" {
		about = append(about, slog.String("origin", r.Header.Get("Origin")))
	}
	s.o.Log.LogAttrs(ctx, slog.LevelDebug, "refused", about...)
}

// countRefusals counts the refusals among next's answers.
func (s *Server) countRefusals(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&answer{ResponseWriter: w, s: s, r: r}, r)
	})
}

// An answer counts itself if it is a refusal, before the client sees it.
type answer struct {
	http.ResponseWriter
	s       *Server
	r       *http.Request
	decided bool
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if reason := reasonOf(status); reason != "" && !a.decided {
		a.s.refused(a.r, reason)
	}
	a.decided = a.decided || status >= 200
	if status >= 400 {
		a.Header().Set("Cache-Control", "no-store") // which http.ServeContent takes away
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find the writer beneath.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// rarely lets one in newsTime through, the first at once.
type rarely struct {
	mu   sync.Mutex
	last time.Time
	held int64 // since then
}

// now tells whether this one is let through, and how many were not before it.
func (n *rarely) now() (held int64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); n.last.IsZero() || now.Sub(n.last) >= newsTime {
		held, n.held, n.last = n.held, 0, now
		return held, true
	}
	n.held++
	return 0, false
}

// Those who find all places taken are told to come again after fullTime, more or
// less by fullJitter, so that they don't come at once.
const (
	fullTime   = 10 * time.Second
	fullJitter = 5 * time.Second
)

// turnAway answers a request for which there is no room.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, form form, why error) {
	if held, ok := s.full.now(); ok {
		s.o.Log.LogAttrs(context.Background(), slog.LevelWarn, "a viewer was turned away", slog.String("why", why.Error()), slog.Int64("earlier", held))
	}
	if form == asWebSocket {
		s.sessions.TurnAway(w, r, why, func() { s.refused(r, reasonFull) })
		return
	}
	wait := fullTime - fullJitter + rand.N(2*fullJitter)
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	http.Error(w, why.Error(), http.StatusServiceUnavailable)
}
