package server

import (
	"context"
	"errors"
	"net/http"

	"wsrun/hub"
	"wsrun/internal/access"
)

// A form is the form in which a stream is served.
type form int

const (
	asText form = iota
	asWebSocket
	asPage
	asEvents
	forms // the number of forms
)

// formOf returns the form that a request asks for.
func formOf(r *http.Request, q query) form {
	switch {
	case access.IsPage(r):
		return asPage
	case access.HeaderHas(r.Header, "Upgrade", "websocket"):
		return asWebSocket
	case q.format == "" && access.HeaderHas(r.Header, "Accept", "text/event-stream"):
		return asEvents
	}
	return asText
}

// serveCatalog serves every path that isn't below /-/.
func (s *Server) serveCatalog(w http.ResponseWriter, r *http.Request) {
	target := s.catalog.Target(r.URL.Path)
	if target == Nothing {
		s.notFound(w, r)
	} else if s.reads(w, r) {
		s.serveTarget(w, r, target)
	}
}

// serveTarget serves a path that names a stream or a list.
func (s *Server) serveTarget(w http.ResponseWriter, r *http.Request, target Target) {
	switch {
	case access.IsPage(r) && !access.Authorized(r):
		// The page will ask for the token. Until then it gets no title, because a title
		// can hold a secret, as can the command that it often is.
		w.Header().Set("Vary", "Accept")
		s.servePage(w, r, pageOf(target), "wsrun")
	case target == AList && !asksForChanges(r):
		s.serveList(w, r)
	default:
		s.serveStream(w, r)
	}
}

// serveStream serves a stream in the form that the request asks for. Thousands of followers may wait, which
// they do once all handlers have returned: the frames of those would double their stacks.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	stream, q := s.openStream(w, r)
	if stream == nil {
		return
	}
	follows := false
	defer func() {
		if !follows {
			stream.Close()
		}
	}()
	if follows = !s.serveForm(w, r, stream, q); follows {
		w.(*response).rest = func() { s.follow(w, r, stream, q) }
	}
}

// openStream opens the stream that a request asks for, as its query says. If there is none, openStream
// responds itself and returns no stream.
func (s *Server) openStream(w http.ResponseWriter, r *http.Request) (Stream, *query) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		s.refuse(w, r, badRequest(err.Error()))
		return nil, nil
	}
	ctx, stop := s.sessions.WhileConnected(r, peerInterval)
	defer stop()
	filter, err := s.compile(ctx, q.grep, q.invert)
	if ctx.Err() != nil {
		abandon()
	}
	if err != nil {
		s.refuse(w, r, badRequest(err.Error()))
		return nil, nil
	}
	w.Header().Set("Vary", "Accept")
	q.form = formOf(r, q)
	stream, err := s.catalog.Open(ctx, r.URL.Path, filter)
	switch {
	case q.form == asPage && errors.Is(err, ErrBusy):
		s.servePage(w, r, pageOf(AStream), r.URL.Path) // the page itself retries
	case err != nil:
		s.refuseOpen(w, r, q.form, err)
	default:
		return stream, &q
	}
	return nil, nil
}

// serveForm serves a stream in the form that the query has, and reports true, unless the response is to
// follow the stream as text or events.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request, stream Stream, q *query) bool {
	stored := stream.Stored()
	live := stored == nil || stored.Grows() && (q.form == asEvents || q.follow)
	head := r.Method == http.MethodHead
	switch {
	case q.form == asPage:
		s.servePage(w, r, pageOf(AStream), stream.Title())
	case q.form == asEvents && !live:
		s.refuse(w, r, badRequest(ErrNotFollowed.Error()))
	case head && q.form == asWebSocket && stored == nil:
		s.refuse(w, r, notAllowed(http.MethodGet, "a WebSocket's handshake is a GET request"))
	case head && (live || q.format != "raw"): // a HEAD for stored bytes needs their length
		w.Header().Set("Content-Type", contentTypes[q.form])
	case !live:
		s.serveStored(w, r, stream, q)
	case q.form == asWebSocket:
		s.serveWebSocket(w, r, stream, q)
	case q.form == asText && !q.follow:
		s.admit(w, r, 0, func(w http.ResponseWriter, r *http.Request, t *task) {
			s.serveLive(t.response(w), r, stream, q)
		})
	default:
		return false
	}
	return true
}

// follow serves a stream as text or events that go on with the stream, and closes it.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, stream Stream, q *query) {
	defer stream.Close()
	hub.Begin(r, true)
	ctx, stop := s.sessions.WhileConnected(r, followerInterval)
	defer stop()
	s.serveLive(s.gate.follower(ctx).response(w), r.WithContext(ctx), stream, q)
}

// contentTypes holds the Content-Type of each form, for responses to HEAD.
var contentTypes = map[form]string{asText: textType, asWebSocket: textType, asEvents: eventsType}

const (
	textType   = "text/plain; charset=utf-8"
	eventsType = "text/event-stream"
)

// serveWebSocket serves a stream over a WebSocket: the backlog and the output that follows.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, stream Stream, q *query) {
	ctx, stop := s.sessions.WhileConnected(r, peerInterval)
	defer stop()
	session, h := s.enter(ctx, w, r, stream, q)
	if stop(); h != nil {
		s.sessions.ServeWebSocket(s.handshake(w, r), session, h, q.join())
	}
}

// serveLive serves a stream from its hub as text or events: the backlog and, unless the query says
// otherwise, the output that follows.
func (s *Server) serveLive(w taskResponse, r *http.Request, stream Stream, q *query) {
	session, h := s.enter(r.Context(), w, r, stream, q)
	if h == nil {
		return
	}
	defer w.task.rest()
	out := hub.Left
	defer func() { session.End(out) }()
	if q.form == asEvents {
		out = serveEvents(w, session, h, q)
	} else {
		out = serveText(w, session, h, q)
	}
	if out == hub.Missed {
		abandon()
	}
}

// enter returns a session for a request, and the stream's hub. If all slots are taken, or the stream
// can't be followed, enter responds itself and returns no hub. A response that doesn't follow the
// stream needs no slot. If ctx is done, which it must be when the client is gone, enter ends the handler.
func (s *Server) enter(ctx context.Context, w http.ResponseWriter, r *http.Request, stream Stream, q *query) (*hub.Session, *hub.Hub) {
	session := s.sessions.Unlisted(r)
	if q.form != asText || q.follow {
		var err error
		if session, err = s.sessions.Enter(r); err != nil {
			s.turnAway(w, r, q.form, err)
			return nil, nil
		}
	}
	entered := false
	defer func() {
		if !entered { // even after a panic: the slot must not stay taken
			session.End(hub.Left)
		}
	}()
	h, leave, err := stream.Follow(ctx)
	if err != nil {
		s.refuseOpen(w, r, q.form, err)
		return nil, nil
	}
	session.OnEnd(leave)
	if ctx.Err() != nil {
		abandon()
	}
	entered = true
	return session, h
}
