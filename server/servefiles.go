package server

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/plaintext"
)

// serveFile gives a file in the form that the request asks for. What does not exist
// and what may not be read get the same answer.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	said := q.Lines >= 0
	if !said {
		q.Lines = defaultFileLines
	}
	path := r.URL.Path
	w.Header().Set("Vary", "Accept")
	form := formOf(r, q)
	var missing error
	if strings.HasPrefix(path, "/-/") {
		missing = ErrNoFile
	} else if access.Authorized(r) {
		missing = s.files.check(path)
	}
	switch {
	case errors.Is(missing, ErrBusy) && form != asPage:
		s.turnAway(w, r, form, missing)
	case errors.Is(missing, ErrNoFile):
		http.Error(w, missing.Error(), http.StatusNotFound)
	case form == asPage:
		s.servePage(w, r, "index.html", path)
	case s.files.Compressed(path) && form == asEvents:
		http.Error(w, "a compressed file can't be followed", http.StatusBadRequest)
	case r.Method == http.MethodHead && q.format != "raw":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	case !s.files.Compressed(path) && (form == asEvents || q.follow):
		s.serveFollowed(w, r, path, form, q)
	case form == asWebSocket:
		s.serveLast(w, r, path, q)
	case q.format == "raw" && q.grep.re == nil && (!said || q.Lines == allLines):
		s.serveBytes(w, r, path)
	default:
		s.serveLines(w, r, path, q)
	}
}

// serveFollowed follows a file.
func (s *Server) serveFollowed(w http.ResponseWriter, r *http.Request, path string, form form, q query) {
	visit := s.enter(w, r, form, q)
	if visit == nil {
		return
	}
	f, err := s.files.follow(r.Context(), path, q.grep)
	switch {
	case errors.Is(err, errFull), errors.Is(err, ErrBusy):
		s.turnAway(w, r, form, err)
		visit.Leave()
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusNotFound)
		visit.Leave()
		return
	}
	visit.Release = func() { s.files.leave(f) }
	s.serveFeed(w, visit, f.Feed, form, q)
}

// content returns a file's last lines, those that are let through. What it gives
// ends early when the client has gone or the server is shut down.
func (s *Server) content(r *http.Request, path string, q query) (io.ReadCloser, error) {
	lines := q.Lines
	if q.Lines == allLines || q.grep.re != nil {
		lines = -1
	}
	content, err := s.files.Content(path, lines)
	if err != nil {
		return nil, err
	}
	limited := &while{content, r.Context(), s.files.ending}
	if q.grep.re == nil || q.Lines == allLines {
		return limited, nil
	}
	// Which lines are the last of those is known at the end.
	b := broadcaster.New(broadcaster.Options{Lines: max(q.Lines, 1), Bytes: maxMatches})
	if err := q.grep.copy(b, limited); err != nil {
		content.Close()
		return nil, err
	}
	b.Close()
	cursor, _ := b.Open(q.Lines)
	return struct {
		io.Reader
		io.Closer
	}{&broadcaster.Reader{Cursor: cursor}, content}, nil
}

// maxMatches is how much of the last lines that a filter lets through is kept while
// it is looking for more, in bytes.
const maxMatches = 32 << 20

// A while is read while neither context is done.
type while struct {
	io.ReadCloser
	client, server context.Context
}

func (w *while) Read(p []byte) (int, error) {
	if err := cmp.Or(w.client.Err(), w.server.Err()); err != nil {
		return 0, err
	}
	return w.ReadCloser.Read(p)
}

// left returns what is left of the query's filter once content has done it.
func (q query) left() grep {
	if q.Lines == allLines {
		return q.grep
	}
	return grep{}
}

// serveLast sends a file's last lines by WebSocket, and closes it.
func (s *Server) serveLast(w http.ResponseWriter, r *http.Request, path string, q query) {
	visit := s.enter(w, r, asWebSocket, q)
	if visit == nil {
		return
	}
	defer visit.Leave()
	content, err := s.content(r, path, q)
	if err != nil {
		unreadable(w, err)
		return
	}
	defer content.Close()
	s.sessions.ServeContent(w, visit, hub.Ended{Title: path, Exact: q.Lines == allLines && q.grep.re == nil, Stopping: s.files.ending}, func(to io.Writer) error {
		return q.left().copy(to, content)
	})
}

// unreadable answers for a file that is there and can't be read, as one that is no
// archive whatever its name says, or that is gone since it was looked up.
func unreadable(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrNoFile) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if errors.Is(err, ErrBusy) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "the file can't be read: "+err.Error(), http.StatusInternalServerError)
}

// serveLines answers with a file's last lines as text.
func (s *Server) serveLines(w http.ResponseWriter, r *http.Request, path string, q query) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	content, err := s.content(r, path, q)
	if err != nil {
		unreadable(w, err)
		return
	}
	defer content.Close()
	out := bufio.NewWriterSize(w, 64<<10)
	to := io.Writer(out)
	text := plaintext.To(out)
	if q.format != "raw" {
		to = text
	}
	err = q.left().copy(to, content)
	text.Finish()
	if out.Flush(); err != nil {
		panic(http.ErrAbortHandler) // it must not look whole
	}
}

// serveBytes serves a file as it is, or a range of it.
func (s *Server) serveBytes(w http.ResponseWriter, r *http.Request, path string) {
	f, err := s.files.Open(path)
	if err != nil {
		if !errors.Is(err, ErrBusy) {
			err = ErrNoFile
		}
		unreadable(w, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, ErrNoFile.Error(), http.StatusNotFound)
		return
	}
	if strings.Contains(r.Header.Get("Range"), ",") {
		r.Header.Del("Range") // the parts of several would have types of their own
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// serveIndex lists the files: as JSON, as lines of text, or as the page that does.
func (s *Server) serveIndex(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	w.Header().Set("Vary", "Accept")
	if headerHas(r, "Accept", "text/html") {
		s.servePage(w, r, "files.html", "files")
		return
	}
	list, cut, err := s.files.List(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if headerHas(r, "Accept", "application/json") {
		for i, f := range list {
			list[i].Link = "." + (&url.URL{Path: f.Path}).EscapedPath()
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(struct {
			Files []File `json:"files"`
			Cut   bool   `json:"cut"`
		}{append([]File{}, list...), cut})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, f := range list {
		fmt.Fprintf(w, "%12d  %s  %s\n", f.Size, f.Modified.Format("2006-01-02 15:04:05"), strconv.QuoteToGraphic(f.Path))
	}
	if cut {
		fmt.Fprintln(w, "[wsrun: there are more]")
	}
}

// serveFilesStatus answers /-/status.
func (s *Server) serveFilesStatus(w http.ResponseWriter) {
	s.files.mu.Lock()
	followed, viewers := len(s.files.followed), 0
	for _, f := range s.files.followed {
		viewers += f.users
	}
	s.files.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(struct {
		Version    string `json:"version"`
		Followed   int    `json:"followed"`
		Viewers    int    `json:"viewers"`
		Goroutines int    `json:"goroutines"`
	}{s.o.Version, followed, viewers, runtime.NumGoroutine()})
}
