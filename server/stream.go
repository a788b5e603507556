package server

import (
	"errors"
	"net/http"

	"wsrun/hub"
	"wsrun/internal/access"
)

// A form is what a stream is shown as.
type form int

const (
	asText form = iota
	asWebSocket
	asPage
	asEvents
)

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

// serveCatalog answers for a path of the catalog.
func (s *Server) serveCatalog(w http.ResponseWriter, r *http.Request) {
	target := s.catalog.Target(r.URL.Path)
	if target == Nothing {
		s.notFound(w, r)
		return
	}
	s.reading(func(w http.ResponseWriter, r *http.Request) { s.serveTarget(w, r, target) })(w, r)
}

func (s *Server) serveTarget(w http.ResponseWriter, r *http.Request, target Target) {
	switch {
	case access.IsPage(r) && !access.Authorized(r):
		// It asks for the token. A title may hold a secret, as a command can.
		w.Header().Set("Vary", "Accept")
		s.servePage(w, r, pageOf(target), "wsrun")
	case target == AList:
		s.serveList(w, r)
	default:
		s.serveStream(w, r)
	}
}

// serveStream shows a stream as what the request asks for.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		s.refuse(w, r, badRequest(err.Error()))
		return
	}
	filter, err := s.compile(r.Context(), q.grep, q.invert)
	if err != nil {
		s.refuse(w, r, badRequest(err.Error()))
		return
	}
	w.Header().Set("Vary", "Accept")
	form := formOf(r, q)
	stream, err := s.catalog.Open(r.Context(), r.URL.Path, filter)
	if form == asPage && errors.Is(err, ErrBusy) {
		s.servePage(w, r, pageOf(AStream), r.URL.Path) // which comes back for the stream
		return
	}
	if err != nil {
		s.refuseOpen(w, r, form, err)
		return
	}
	defer stream.Close()
	stored := stream.Stored()
	live := stored == nil || stored.Grows() && (form == asEvents || q.follow)
	switch {
	case form == asPage:
		s.servePage(w, r, pageOf(AStream), stream.Title())
	case r.Method == http.MethodHead && headersOnly(stored, form, q):
		w.Header().Set("Content-Type", contentTypes[form])
	case live:
		s.serveLive(w, r, stream, form, q)
	case form == asEvents:
		s.refuse(w, r, badRequest(ErrNotFollowed.Error()))
	default:
		s.serveStored(w, r, stream, form, q)
	}
}

// headersOnly reports whether a HEAD is answered without looking at the stream. Bytes that are
// stored have a length, and a WebSocket is refused by its handshake, as is its GET.
func headersOnly(stored Stored, form form, q query) bool {
	if stored == nil {
		return form != asWebSocket
	}
	return q.format != "raw"
}

// contentTypes are those of the forms, in responses to HEAD.
var contentTypes = map[form]string{asText: textType, asWebSocket: textType, asEvents: eventsType}

const (
	textType   = "text/plain; charset=utf-8"
	eventsType = "text/event-stream"
)

// serveLive shows what is in a stream's hub, and as a rule what follows.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request, stream Stream, form form, q query) {
	session, ok := s.enter(w, r, form, q)
	if !ok {
		return
	}
	h, leave, err := stream.Follow(r.Context())
	if err != nil {
		s.refuseOpen(w, r, form, err)
		session.End(hub.Left)
		return
	}
	session.OnEnd(leave)
	if form == asWebSocket {
		if !s.sessions.ServeWebSocket(w, session, h, q.join()) {
			s.countRefusal(r, reasonBadRequest)
		}
		return
	}
	out := hub.Left
	defer func() { session.End(out) }()
	if form == asEvents {
		out = serveEvents(w, session, h, q)
	} else {
		out = serveText(w, session, h, q)
	}
	if out == hub.Missed {
		panic(http.ErrAbortHandler) // the client must see a broken response
	}
}

// enter returns the session of a request. Where there is no slot for it, it is not ok, and
// the request has been answered.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, form form, q query) (session *hub.Session, ok bool) {
	if form == asText && !q.follow {
		return s.sessions.Unlisted(r), true
	}
	session, err := s.sessions.Enter(r)
	if err != nil {
		s.turnAway(w, r, form, err)
		return nil, false
	}
	return session, true
}
