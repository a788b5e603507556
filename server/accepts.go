package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"
)

// An acceptLog counts and logs failures to accept a connection.
type acceptLog struct {
	failures atomic.Int64
	limit    logLimiter
}

// acceptFailed counts and logs a failure to accept a connection. If the process or the
// system is out of file descriptors (accept(2): EMFILE, ENFILE), acceptFailed also closes
// the idle keep-alive connections: their clients can simply reconnect.
func (s *Server) acceptFailed(err error) {
	s.accepts.failures.Add(1)
	if held, ok := s.accepts.limit.allow(); ok {
		s.o.Log.LogAttrs(context.Background(), slog.LevelWarn, "a connection could not be accepted",
			slog.String("why", err.Error()), slog.Int64("earlier", held))
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		s.http.SetKeepAlivesEnabled(false) // closes idle connections
		s.http.SetKeepAlivesEnabled(true)
	}
}
