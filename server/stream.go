package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/logs"
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
	if q.ownFilter() {
		q.matcher, filter = filter.Matcher(), logs.Filter{}
	}
	stream, err := s.catalog.Open(ctx, r.URL.Path, filter)
	switch {
	case q.form == asPage && errors.Is(err, ErrBusy):
		s.servePage(w, r, pageOf(AStream), r.URL.Path) // the page itself retries
	case err != nil:
		s.refuseOpen(w, r, q.form, err)
	default:
		if stream.Stored() == nil {
			q.matcher = cmp.Or(q.matcher, filter.Matcher())
		}
		return stream, &q
	}
	return nil, nil
}

// serveForm serves a stream in the form that the query has, and reports true, unless the response is to
// follow the stream as text or events.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request, stream Stream, q *query) bool {
	stored := stream.Stored()
	live := stored == nil || stored.Grows() && (q.form == asEvents || q.follow || q.sections())
	head := r.Method == http.MethodHead
	switch {
	case q.form == asPage:
		s.servePage(w, r, pageOf(AStream), stream.Title())
	case q.form == asEvents && !live:
		s.refuse(w, r, badRequest(ErrNotFollowed.Error()))
	case head && q.form == asWebSocket && stored == nil:
		s.refuse(w, r, notAllowed(http.MethodGet, "a WebSocket's handshake is a GET request"))
	case head && (live || q.format != "raw"): // a HEAD for stored bytes needs their length
		w.Header().Set("Content-Type", q.contentType())
	case q.form == asText && q.format == "status":
		writeStatus(w, stream.status(s.o.Version))
	case !live && q.notForFiles() != nil:
		s.refuse(w, r, badRequest(q.notForFiles().Error()))
	case !live:
		s.serveStored(w, r, stream, q)
	case stored != nil && !s.awaitNumbers(r, stream, q):
		abandon()
	case q.form == asWebSocket:
		s.serveWebSocket(w, r, stream, q)
	case q.form == asText && q.format == "slice":
		s.admit(w, r, maxSliceHeld, func(w http.ResponseWriter, r *http.Request, t *task) {
			s.serveSlice(t.response(w), r, stream, q)
		})
	case q.form == asText && q.format == "hits":
		s.admit(w, r, int64(s.gate.searchers())*searcherHeld, func(w http.ResponseWriter, r *http.Request, t *task) {
			s.serveHits(t.response(w), r, stream, q)
		})
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

const (
	textType    = "text/plain; charset=utf-8"
	eventsType  = "text/event-stream"
	recordsType = "application/x-ndjson"
	jsonType    = "application/json"
)

// contentType returns the Content-Type of the form that the query has.
func (q *query) contentType() string {
	switch {
	case q.form == asEvents:
		return eventsType
	case q.format == "ndjson" || q.format == "hits":
		return recordsType
	case q.format == "status":
		return jsonType
	}
	return textType
}

// serveWebSocket serves a stream over a WebSocket: the backlog and the output that follows.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, stream Stream, q *query) {
	ctx, stop := s.sessions.WhileConnected(r, peerInterval)
	defer stop()
	session, h := s.enter(ctx, w, r, stream, q)
	if h == nil {
		return
	}
	found := false
	defer func() {
		if !found { // even after a panic
			session.End(hub.Left)
		}
	}()
	t := s.gate.follower(ctx)
	defer t.rest()
	if found = q.countBack(h, t); !found {
		abandon()
	}
	t.rest()
	q.ahead = q.places() && h.Seek(q.Position).Ahead
	stop()
	s.sessions.ServeWebSocket(s.handshake(w, r), session, h, q.join(s.newTurnFilter(q, h)))
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
	if !s.find(w, r, h, q) {
		return
	}
	if q.form == asEvents {
		out = serveEvents(w, session, h, q)
	} else {
		out = serveText(w, session, h, q)
	}
	if out == hub.Missed {
		abandon()
	}
}

// find notes whether the line that the query asks for is still to come. It reports false if it has responded itself,
// because the line is gone and the form can't say that, or because there never will be one.
func (s *Server) find(w taskResponse, r *http.Request, h *hub.Hub, q *query) bool {
	if q.form == asEvents && !q.resume(h, w.task, r.Header.Get("Last-Event-ID")) {
		w.WriteHeader(http.StatusNoContent) // see beginEvents
		return false
	}
	if !q.countBack(h, w.task) {
		abandon()
	}
	if !q.places() {
		return true
	}
	w.task.rest() // the history may have to be read
	at := h.Seek(q.Position)
	q.ahead, q.cut = at.Ahead, at.Cut
	switch {
	case q.counted:
		return true
	case q.format == "raw" && !at.Ahead && q.Line > 0 && at.At > q.Line:
		s.refuse(w, r, gone(fmt.Sprintf("the line is gone: the oldest one is line %d", h.RunAt(at.Offset).Line(at.At))))
	case q.format == "raw" && at.Cut:
		s.refuse(w, r, gone(fmt.Sprintf("output of that time may be gone: the oldest line is line %d", h.RunAt(at.Offset).Line(at.At))))
	case at.Ahead && q.form == asText && !q.follow:
		w.Header().Set("Content-Type", q.contentType())
	default:
		return true
	}
	return false
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
	h, leave, err := s.followFiltered(ctx, stream, q)
	if err != nil {
		s.refuseOpen(w, r, q.form, err)
		return nil, nil
	}
	session.OnEnd(leave)
	if ctx.Err() != nil {
		abandon()
	}
	if q.Line > 0 && !h.LastRun().Exact {
		s.refuse(w, r, busy("the file's lines can't be counted: try again later"))
		return nil, nil
	}
	if q.Time > 0 && h.Kind == hub.File && len(h.Stream.Snapshot().Stamps(0)) == 0 {
		s.refuse(w, r, badRequest(errNoTimes.Error()))
		return nil, nil
	}
	q.Position = h.Locate(q.Position)
	entered = true
	return session, h
}

// awaitNumbers waits until a file's lines have numbers, if the answer needs them: before it takes part of the gate's room. It
// reports false if the client is gone.
func (s *Server) awaitNumbers(r *http.Request, stream Stream, q *query) bool {
	resumed := q.form == asEvents && r.Header.Get("Last-Event-ID") != ""
	if q.grep != "" && !q.ownFilter() || !resumed && !q.numbered(broadcaster.Stats{}) { // a filtered stream has other numbers
		return true
	}
	ctx, stop := s.sessions.WhileConnected(r, peerInterval)
	defer stop()
	h, leave, err := stream.Follow(ctx)
	if err != nil {
		return ctx.Err() == nil // whoever follows next responds
	}
	defer leave()
	st, p := h.Stream.Stats(), h.Locate(q.Position)
	inRing := p.Offset >= st.Start && p.Epoch == h.Stream.Epoch()
	if resumed || q.numbered(st) && !(q.Offset >= 0 && inRing && !q.sections()) {
		select {
		case <-h.Numbered():
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// maxFilters is how many instructions the expressions of all who follow a stream may have together. They take time for
// all output, and about a hundred bytes each.
const maxFilters = 64_000

// followFiltered is Stream.Follow for a query whose expression, if it has one, needs a share of what is left.
func (s *Server) followFiltered(ctx context.Context, stream Stream, q *query) (h *hub.Hub, leave func(), err error) {
	size := int64(0)
	if q.matcher != nil && (q.form != asText || q.follow) {
		size = q.matcher.Size()
	}
	if !s.filters.TryAcquire(size) {
		return nil, nil, ErrFilters
	}
	h, unfollow, err := stream.Follow(ctx)
	if err != nil {
		s.filters.Release(size)
		return nil, nil, err
	}
	return h, func() {
		s.filters.Release(size)
		unfollow()
	}, nil
}
