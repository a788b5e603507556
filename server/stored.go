package server

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"

	"wsrun/hub"
	"wsrun/internal/plaintext"
)

// defaultStoredLines is how many of the last stored lines are sent if the query doesn't say.
const defaultStoredLines = 1000

// serveStored serves a stream's stored content, without following the stream.
func (s *Server) serveStored(w http.ResponseWriter, r *http.Request, stream Stream, form form, q query) {
	all := q.Lines == allLines
	lines := q.Lines
	switch {
	case all:
		lines = -1
	case lines < 0:
		lines = defaultStoredLines
	}
	stored := stream.Stored()
	if form == asWebSocket {
		s.serveLast(w, r, stream, lines)
		return
	}
	if q.format == "raw" && (q.Lines < 0 || all) {
		if content, modified, ok := stored.Bytes(); ok {
			if strings.Contains(r.Header.Get("Range"), ",") {
				// Several ranges make a multipart response, whose parts have their own
				// Content-Type: send everything instead (RFC 9110, section 14.2).
				r.Header.Del("Range")
			}
			w.Header().Set("Content-Type", textType)
			http.ServeContent(w, r, "", modified, content)
			return
		}
	}
	s.serveLines(w, r, stored, lines, q.format == "raw")
}

// serveLast sends the last lines, or all of them if lines is negative, over a WebSocket,
// and closes it.
func (s *Server) serveLast(w http.ResponseWriter, r *http.Request, stream Stream, lines int) {
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
	content, err := stored.Content(r.Context(), lines)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	defer content.Close()
	served = true // and so ended by ServeContent
	about := stored.About()
	about.Exact = content.Exact()
	s.sessions.ServeContent(s.handshake(w, r), session, about, content.Copy)
}

// refuseContent responds for content that could not be read because of err, for example
// because a file named .gz isn't a gzip file.
func (s *Server) refuseContent(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		s.refuse(w, r, missing(err.Error()))
	case errors.Is(err, ErrBusy):
		s.refuse(w, r, busy(err.Error()))
	default:
		http.Error(w, "the file can't be read: "+err.Error(), http.StatusInternalServerError)
	}
}

// serveLines responds with the last lines, or all of them if lines is negative: as plain
// text, or as the exact bytes if raw.
func (s *Server) serveLines(w http.ResponseWriter, r *http.Request, stored Stored, lines int, raw bool) {
	w.Header().Set("Content-Type", textType)
	if r.Method == http.MethodHead {
		return
	}
	content, err := stored.Content(r.Context(), lines)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	defer content.Close()
	out := bufio.NewWriterSize(w, 64<<10)
	text := plaintext.To(out)
	to := io.Writer(text)
	if raw {
		to = out
	}
	err = content.Copy(to)
	text.Finish()
	if out.Flush(); err != nil {
		panic(http.ErrAbortHandler) // the response must not look complete
	}
}
