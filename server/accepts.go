package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
)

// accepts counts failures to accept a connection.
type accepts struct {
	failures atomic.Int64
	news     logLimiter
}

// acceptFailed counts and logs a failure to accept a connection. If it was for lack
// of file descriptors it frees those of connections that are kept for later
// requests; whoever has one can make another.
func (s *Server) acceptFailed(err error) {
	s.accepts.failures.Add(1)
	if held, ok := s.accepts.news.allow(); ok {
		s.o.Log.LogAttrs(context.Background(), slog.LevelWarn, "a connection could not be accepted", slog.String("why", err.Error()), slog.Int64("earlier", held))
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		s.http.SetKeepAlivesEnabled(false) // closes those that are idle
		s.http.SetKeepAlivesEnabled(true)
	}
}
