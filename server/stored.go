package server

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"wsrun/hub"
	"wsrun/internal/plaintext"
)

// defaultStoredLines is how many of the last stored lines are sent if the query doesn't say.
const defaultStoredLines = 1000

// storedLines returns how many of the last stored lines a query asks for; negative means all.
func (q query) storedLines() int {
	switch {
	case q.Lines == allLines:
		return -1
	case q.Lines < 0:
		return defaultStoredLines
	}
	return q.Lines
}

// serveStored serves a stream's stored content, without following the stream.
func (s *Server) serveStored(w http.ResponseWriter, r *http.Request, stream Stream, q *query) {
	stored := stream.Stored()
	s.admit(w, r, stored.Held(), func(w http.ResponseWriter, r *http.Request, t *task) {
		if q.form == asWebSocket {
			s.serveLast(w, r, stream, q, t)
			return
		}
		if q.format == "raw" && (q.Lines < 0 || q.Lines == allLines) {
			if content, modified, ok := stored.Bytes(t.pace); ok {
				serveBytes(t.response(w), r, content, modified)
				return
			}
		}
		s.serveLines(w, r, stored, q, t)
	})
}

// serveBytes responds with exact bytes, or the range of them that the request asks for.
func serveBytes(w http.ResponseWriter, r *http.Request, content io.ReadSeeker, modified time.Time) {
	if strings.Contains(r.Header.Get("Range"), ",") {
		// Several ranges make a multipart response, whose parts have their own
		// Content-Type: send everything instead (RFC 9110, section 14.2).
		r.Header.Del("Range")
	}
	w.Header().Set("Content-Type", textType)
	http.ServeContent(w, r, "", modified, content)
}

// serveLast sends the last lines over a WebSocket, and closes it.
func (s *Server) serveLast(w http.ResponseWriter, r *http.Request, stream Stream, q *query, t *task) {
	session, err := s.sessions.Enter(r)
	if err != nil {
		s.turnAway(w, r, asWebSocket, err)
		return
	}
	served := false
	defer func() {
		if !served {
			session.End(hub.Left)
		}
	}()
	stored := stream.Stored()
	content, err := stored.Content(q.storedLines(), t.pace)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	defer content.Close()
	about := stored.About()
	about.Exact = content.Exact()
	served = true // and so ended by ServeContent
	t.rest()      // the handshake and the end wait for the client
	s.sessions.ServeContent(s.handshake(w, r), session, about, func(to io.Writer) error {
		defer t.rest()
		return content.Copy(t.writer(to))
	})
}

// refuseContent responds for content that could not be read because of err, for example
// because a file named .gz isn't a gzip file.
func (s *Server) refuseContent(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		abandon()
	case errors.Is(err, ErrNotFound):
		s.refuse(w, r, missing(err.Error()))
	case errors.Is(err, ErrBusy):
		s.refuse(w, r, busy(err.Error()))
	default:
		http.Error(w, "the file can't be read: "+err.Error(), http.StatusInternalServerError)
	}
}

// serveLines responds with the last lines: as plain text, or as the exact bytes if the query says so.
func (s *Server) serveLines(w http.ResponseWriter, r *http.Request, stored Stored, q *query, t *task) {
	w.Header().Set("Content-Type", textType)
	if r.Method == http.MethodHead {
		return
	}
	content, err := stored.Content(q.storedLines(), t.pace)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	defer content.Close()
	out := bufio.NewWriterSize(t.writer(w), 64<<10)
	text := plaintext.To(out)
	to := io.Writer(text)
	if q.format == "raw" {
		to = out
	}
	err = content.Copy(to)
	text.Finish()
	if out.Flush(); err != nil {
		abandon()
	}
}
