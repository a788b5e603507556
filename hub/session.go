package hub

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A phase is a stage in the life of a session.
type phase int

const (
	unlisted phase = iota // the response ends on its own, so the session takes no slot
	waiting               // the session has a slot, and isn't a viewer yet
	viewing               // the session counts as a viewer
)

// A Session is one viewer's connection to a stream, from the request to the end. One goroutine at a
// time may use it.
type Session struct {
	sessions     *Sessions
	phase        phase
	request      *http.Request
	remote, path string // of request
	form         Form
	began        time.Time // when it became a viewer
	release      func()    // called by End
	ended        atomic.Bool

	// One goroutine at a time writes the counters, so that counting doesn't slow down the
	// others. A WebSocket's sent is its viewer's count.
	sent   *atomic.Int64
	resets atomic.Int64
}

// Request returns the session's request; nil once it has become a WebSocket.
func (s *Session) Request() *http.Request { return s.request }

// OnEnd sets a function that End calls, in place of an earlier one. It is called even if the
// session never becomes a viewer.
func (s *Session) OnEnd(release func()) { s.release = release }

// Begin makes the session a viewer of the given form, if it has a slot. Otherwise, Begin does
// nothing.
func (s *Session) Begin(f Form) {
	if s.phase != waiting {
		return
	}
	s.phase, s.form, s.began = viewing, f, time.Now()
	s.sessions.addViewer(s)
	s.log("viewer came")
}

// Missed counts a gap in the output that the viewer was told of.
func (s *Session) Missed() { s.resets.Add(1) }

// Counting returns a writer to w that counts the bytes it writes as sent. Over TLS, it makes small records of them.
func (s *Session) Counting(w io.Writer) io.Writer {
	if s.request.TLS != nil {
		w = recordWriter{w}
	}
	return counter{w, s.sent}
}

// A recordWriter writes at most recordBytes at a time.
type recordWriter struct{ io.Writer }

// Write implements [io.Writer].
func (w recordWriter) Write(p []byte) (n int, err error) {
	for piece := range slices.Chunk(p, recordBytes) {
		m, err := w.Writer.Write(piece)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// End ends the session and frees its slot. It must be called; after the first call, it does nothing.
// Unlike the other methods, any goroutine may call it.
func (s *Session) End(o Outcome) {
	if s.ended.Swap(true) {
		return
	}
	if s.phase != unlisted {
		defer s.sessions.viewers.Done() // like leave, even if release panics
		defer s.sessions.leave(s, o)
	}
	s.release()
	if s.phase == viewing {
		s.log("viewer left",
			slog.Duration("duration", time.Since(s.began)), slog.Int64("bytes", s.sent.Load()), slog.String("how", o.String()))
	}
}

// endOnPanic ends the session during a panic, and lets the panic go on. It must be deferred.
func (s *Session) endOnPanic() {
	if v := recover(); v != nil {
		s.End(Left)
		panic(v)
	}
}

// Lost returns the outcome for a session whose connection no longer accepts writes: Stalled or
// Left. The session must not be a WebSocket.
func (s *Session) Lost() Outcome {
	if c, ok := s.request.Context().Value(connection{}).(sender); ok && c.stalled() {
		return Stalled
	}
	return Left
}

// addTo adds the session's counts to t.
func (s *Session) addTo(t *Tally) {
	t.Sent += s.sent.Load()
	t.Resets += s.resets.Load()
}

func (s *Session) log(message string, more ...slog.Attr) {
	if log := s.sessions.o.Log; log.Enabled(context.Background(), slog.LevelDebug) {
		log.LogAttrs(context.Background(), slog.LevelDebug, message, append([]slog.Attr{
			slog.String("kind", s.form.String()), slog.String("remote", s.remote), slog.String("path", s.path),
		}, more...)...)
	}
}

// A counter counts the bytes that it writes.
type counter struct {
	io.Writer
	n *atomic.Int64
}

// Write implements [io.Writer].
func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
