package server

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/internal/access"
)

// Reasons for refusals, besides those of package access.
const (
	reasonBadRequest access.Reason = "bad_request"
	reasonMethod     access.Reason = "method"
	reasonNotFound   access.Reason = "not_found"
)

// reasons lists all reasons, in the order of the metrics. A reason that is missing here is not
// counted.
var reasons = [...]access.Reason{
	reasonBadRequest, access.Full, access.Host, reasonMethod, reasonNotFound, access.Origin, access.Rate, access.Token,
}

// refusals counts refusals, by index into reasons.
type refusals [len(reasons)]atomic.Int64

// refuse counts and logs a refusal, and responds with it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, f *access.Refusal) {
	s.countRefusal(r, f.Reason)
	f.Answer(w)
}

// countRefusal counts and logs a refusal. It is called before the response is sent, so that
// a client that was refused always finds itself in the metrics.
func (s *Server) countRefusal(r *http.Request, reason access.Reason) {
	if i := slices.Index(reasons[:], reason); i >= 0 {
		s.refusals[i].Add(1)
	}
	ctx := context.Background()
	if !s.o.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	about := []slog.Attr{
		slog.String("reason", string(reason)), slog.String("remote", r.RemoteAddr), slog.String("method", r.Method),
		slog.String("host", r.Host), slog.String("path", r.URL.Path), // not the query, which may hold secrets
	}
	if reason == access.Origin {
		about = append(about, slog.String("origin", r.Header.Get("Origin")))
	}
	s.o.Log.LogAttrs(ctx, slog.LevelDebug, "refused", about...)
}

func badRequest(text string) *access.Refusal {
	return &access.Refusal{Reason: reasonBadRequest, Status: http.StatusBadRequest, Text: text}
}

func notAllowed(methods, text string) *access.Refusal {
	return &access.Refusal{Reason: reasonMethod, Status: http.StatusMethodNotAllowed, Text: text, Allow: methods}
}

func missing(text string) *access.Refusal {
	return &access.Refusal{Reason: reasonNotFound, Status: http.StatusNotFound, Text: text}
}

func gone(text string) *access.Refusal {
	return &access.Refusal{Reason: reasonNotFound, Status: http.StatusGone, Text: text}
}

// busy returns the refusal of a request that may well succeed a second later.
func busy(text string) *access.Refusal {
	return &access.Refusal{Reason: access.Full, Status: http.StatusServiceUnavailable, Text: text, RetryTime: 1}
}

// refuseOpen responds to a request for a stream that could not be opened or followed
// because of err, which is one of a [Catalog].
func (s *Server) refuseOpen(w http.ResponseWriter, r *http.Request, form form, err error) {
	switch {
	case r.Context().Err() != nil:
		abandon() // it is why the stream could not be opened
	case errors.Is(err, ErrBusy), errors.Is(err, ErrFull), errors.Is(err, ErrFilters):
		s.turnAway(w, r, form, err)
	case errors.Is(err, ErrNotFound):
		s.refuse(w, r, missing(err.Error()))
	default:
		s.refuse(w, r, badRequest(err.Error()))
	}
}

// A client that is turned away is asked to retry after fullTime, give or take fullJitter,
// so that these clients don't all come back at the same moment.
const (
	fullTime   = 10 * time.Second
	fullJitter = 5 * time.Second
)

// turnAway responds to a request for which there is no room. A WebSocket is accepted and
// closed with a reason, because a page can't see the status of a failed upgrade.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, form form, why error) {
	if held, ok := s.full.allow(); ok {
		s.o.Log.LogAttrs(context.Background(), slog.LevelWarn, "a viewer was turned away",
			slog.String("why", why.Error()), slog.Int64("earlier", held))
	}
	if form == asWebSocket {
		// The client may take its time, and what the handlers hold may be large, for example a filter.
		w.(*response).rest = func() {
			s.sessions.TurnAway(s.handshake(w, r), r, why, func() { s.countRefusal(r, access.Full) })
		}
		return
	}
	wait := fullTime - fullJitter + rand.N(2*fullJitter)
	s.refuse(w, r, &access.Refusal{
		Reason: access.Full, Status: http.StatusServiceUnavailable, Text: why.Error(), RetryTime: int(wait.Seconds()),
	})
}

// logTime is the least time between two log lines of the same trouble.
const logTime = 10 * time.Second

// A logLimiter allows one log line in logTime, the first at once. Its methods may be called
// concurrently.
type logLimiter struct {
	mu   sync.Mutex
	last time.Time
	held int64 // since then
}

// allow reports whether a line may be logged, and how many were held back before it.
func (l *logLimiter) allow() (held int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.last.IsZero() || now.Sub(l.last) >= logTime {
		held, l.held, l.last = l.held, 0, now
		return held, true
	}
	l.held++
	return 0, false
}

// handshake returns w for a WebSocket's handshake, which counts a refusal if the handshake is
// bad: then the hub responds.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	return &handshakeWriter{w, func() { s.countRefusal(r, reasonBadRequest) }}
}

type handshakeWriter struct {
	http.ResponseWriter
	refused func()
}

// WriteHeader implements [http.ResponseWriter].
func (w *handshakeWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		w.refused()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find the writer beneath.
func (w *handshakeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
