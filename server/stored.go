package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"wsrun/hub"
	"wsrun/internal/logs"
	"wsrun/internal/plaintext"
	"wsrun/internal/search"
)

// defaultStoredLines is how many of the last stored lines are sent if the query doesn't say.
const defaultStoredLines = 1000

// storedLines returns how many of the last stored lines a query asks for; negative means all.
func (q query) storedLines() int {
	switch {
	case q.Lines == allLines, q.Lines < 0 && q.follow && q.form == asWebSocket: // the page of an archive
		return -1
	case q.Lines < 0:
		return defaultStoredLines
	}
	return q.Lines
}

// notForFiles returns why a file can't be served as the query asks, without being followed.
func (q *query) notForFiles() error {
	switch {
	case q.format == "slice" || q.format == "hits":
		return fmt.Errorf("format=%s: a compressed file can't be searched yet", q.format)
	case q.Time > 0:
		return errNoTimes
	}
	return nil
}

var errNoTimes = errors.New("at: no line of the file has a known time")

// serveStored serves a stream's stored content, without following the stream.
func (s *Server) serveStored(w http.ResponseWriter, r *http.Request, stream Stream, q *query) {
	stored := stream.Stored()
	s.admit(w, r, stored.Held(), func(w http.ResponseWriter, r *http.Request, t *task) {
		if q.form == asWebSocket {
			s.serveLast(w, r, stream, q, t)
			return
		}
		if q.format == "raw" && !q.ownFilter() && (q.Lines < 0 || q.Lines == allLines) {
			if content, modified, ok := stored.Bytes(t.pace); ok {
				serveBytes(t.response(w), r, content, modified)
				return
			}
		}
		if q.ownFilter() {
			s.serveStoredLines(t.response(w), r, stored, q)
			return
		}
		s.serveLines(w, r, stored, q, t)
	})
}

// serveStoredLines responds with those of the stored lines that the query asks for. Unlike serveLines, it counts
// lines from the first one.
func (s *Server) serveStoredLines(w taskResponse, r *http.Request, stored Stored, q *query) {
	w.Header().Set("Content-Type", q.contentType())
	o, err := q.storedFilter(stored, w.task)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	content, at, err := stored.From(max(q.Line, 1), w.task.pace)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	defer content.Close()
	l := newLiveResponse(w, s.sessions.Unlisted(r), nil, q)
	l.setSink(q)
	defer l.Flush()
	l.begin(&hub.TextStart{Line: at.Line, Point: hub.StartPoint{Offset: at.Offset, State: at.State}})
	l.filter = o.Begin(at.Offset, at.Line, at.State.Alternate(), l.pass)
	defer l.close()
	if err := copyStored(content, w.task, l.filter, &l.err); err != nil || l.cut {
		abandon()
	}
	l.filter.Finish()
	l.finish()
}

// storedFilter returns the options of the filter for stored lines.
func (q *query) storedFilter(stored Stored, t *task) (search.FilterOptions, error) {
	o := q.filterOptions(nil, t)
	if q.Line > 0 {
		o.From = func(line, _ int64) bool { return line >= q.Line }
		return o, nil
	}
	most := q.storedLines()
	if most < 0 {
		return o, nil
	}
	lines, within := int64(0), false
	counter := o.Begin(0, 1, false, func(p []byte, v search.Verdict) {
		if v == search.Wanted {
			lines += int64(bytes.Count(p, []byte("\n")))
			within = p[len(p)-1] != '\n'
		}
	})
	defer counter.Close()
	content, err := stored.Content(-1, t.pace)
	if err != nil {
		return o, err
	}
	defer content.Close()
	err = copyStored(content, t, counter, new(error))
	if counter.Finish(); within {
		lines++
	}
	o.Skip = max(lines-int64(most), 0)
	return o, err
}

// copyStored writes stored content to a filter, until that is done or failure, which is what its function fails with,
// is set.
func copyStored(content *logs.Content, t *task, f *search.Filter, failure *error) error {
	err := content.Copy(untilDone{f, t, failure})
	if err == errDone {
		return nil
	}
	return err
}

var errDone = errors.New("the filter is done")

// untilDone is a filter whose writes fail when it is done, or when failure is set.
type untilDone struct {
	filter  *search.Filter
	task    *task
	failure *error
}

// Write implements [io.Writer].
func (u untilDone) Write(p []byte) (int, error) {
	ok := u.task.inTurns(p, matchBytes, u.filter.Size(), func(piece []byte) {
		if *u.failure == nil && !u.filter.Done() {
			u.filter.Write(piece)
		}
	})
	switch {
	case *u.failure != nil:
		return 0, *u.failure
	case u.filter.Done():
		return 0, errDone
	case !ok:
		return 0, context.Canceled
	}
	return len(p), nil
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
	about, send, closeContent, err := s.contentFor(stored, q, t)
	if err != nil {
		s.refuseContent(w, r, err)
		return
	}
	defer closeContent()
	served = true // and so ended by ServeContent
	t.rest()      // the handshake and the end wait for the client
	s.sessions.ServeContent(s.handshake(w, r), session, about, func(to io.Writer) error {
		defer t.rest()
		return send(t.writer(to))
	})
}

// contentFor returns a description of the stored lines that the query asks for, what sends them, and what must be
// called then.
func (s *Server) contentFor(stored Stored, q *query, t *task) (about hub.Content, send func(io.Writer) error, end func(), err error) {
	about = stored.About()
	if !q.ownFilter() {
		content, err := stored.Content(q.storedLines(), t.pace)
		if err != nil {
			return about, nil, nil, err
		}
		about.Exact = content.Exact()
		return about, content.Copy, content.Close, nil
	}
	o, err := q.storedFilter(stored, t)
	if err != nil {
		return about, nil, nil, err
	}
	content, at, err := stored.From(max(q.Line, 1), t.pace)
	if err != nil {
		return about, nil, nil, err
	}
	if about.Line, about.Exact = q.Line, q.matcher == nil && q.Line > 0; about.Exact {
		about.Offset, about.Prelude = content.Begin()
	}
	return about, func(to io.Writer) (failure error) {
		f := o.Begin(at.Offset, at.Line, at.State.Alternate(), func(p []byte, v search.Verdict) {
			if v != search.Dropped && len(p) > 0 && failure == nil {
				_, failure = to.Write(p)
			}
		})
		defer f.Close()
		err := copyStored(content, t, f, &failure)
		f.Finish()
		return cmp.Or(failure, err)
	}, content.Close, nil
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
