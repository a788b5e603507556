package hub

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
)

// ErrFull reports that [SessionOptions.MaxViewers] is reached.
var ErrFull = errors.New("wsrun has as many viewers as it may have")

// SessionOptions describes the sessions of a server. Log is required; the zero value of the other
// fields sets no limit and turns compression off.
type SessionOptions struct {
	MaxViewers int          // at a time; 0 means any number
	Deflate    bool         // compress output for WebSockets that support it
	Log        *slog.Logger // gets viewers that connect and disconnect, at debug level
	Panics     *Panics      // contains the panics of code that serves a viewer; may be nil
}

// Sessions are the sessions of all viewers of a server, whatever their streams. Its methods may be
// called concurrently.
type Sessions struct {
	o        SessionOptions
	upgrades chan struct{} // holds an element for each upgrade that is being made; see upgradeInTurn

	drained  chan struct{} // closed by EndDrain
	endDrain func()
	stop     context.Context // done when WebSockets are to be closed at once
	cut      context.CancelFunc
	clock    *awakeClock
	viewers  sync.WaitGroup // net/http doesn't wait for WebSockets

	mu    sync.Mutex
	slots int // taken by viewers, and by requests that are about to become viewers
	open  map[*Session]struct{}
	past  [Forms]Tally // of sessions that have ended
}

// A Tally counts the viewers of one form, and what they were sent.
type Tally struct {
	Now, Started int64 // viewers
	Resets       int64 // gaps in output that viewers were told of
	Slow         int64 // viewers that were dropped because they stalled
	Sent         int64 // bytes in payloads of WebSocket messages, or in bodies of responses
}

// NewSessions returns the sessions of a server, and starts a goroutine that measures time. The caller
// must call Cut when the server is done, which waits for the goroutine.
func NewSessions(o SessionOptions) *Sessions {
	s := &Sessions{o: o, upgrades: make(chan struct{}, HalfTheProcessors()), open: map[*Session]struct{}{}, drained: make(chan struct{})}
	s.endDrain = sync.OnceFunc(func() { close(s.drained) })
	s.stop, s.cut = context.WithCancel(context.Background())
	s.clock = newAwakeClock(s.stop, o.Panics)
	return s
}

// EndDrain makes all WebSockets end that are still behind: they get a close frame after the message that they are
// being sent. EndDrain may be called more than once.
func (s *Sessions) EndDrain() { s.endDrain() }

// Cut closes the connections of all WebSockets at once, without a close frame. WebSockets that are
// opened later are closed, too. Cut may be called more than once.
func (s *Sessions) Cut() {
	s.cut()
	s.clock.running.Wait()
}

// Wait waits until all sessions that hold a slot have ended. No session may be entered meanwhile.
func (s *Sessions) Wait() { s.viewers.Wait() }

// Slots returns how many slots are taken, and how many there are; most is 0 if there is no limit.
func (s *Sessions) Slots() (taken, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots, s.o.MaxViewers
}

// Tallies returns the counts so far, by form.
func (s *Sessions) Tallies() [Forms]Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.past
	for session := range s.open {
		all[session.form].Now++
		session.addTo(&all[session.form])
	}
	return all
}

// Enter gives a slot to a request that follows a stream. The caller must call [Session.End], or
// [Sessions.ServeWebSocket] or [Sessions.ServeContent], which end the session themselves. The only
// error is [ErrFull].
func (s *Sessions) Enter(r *http.Request) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.MaxViewers > 0 && s.slots >= s.o.MaxViewers {
		return nil, ErrFull
	}
	s.slots++
	s.viewers.Add(1)
	session := s.Unlisted(r)
	session.phase = waiting
	return session, nil
}

// addViewer adds a session to those of viewers.
func (s *Sessions) addViewer(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[session] = struct{}{}
	s.past[session.form].Started++
}

// leave frees a session's slot, and adds its counts to those of the past if it was a viewer's.
func (s *Sessions) leave(session *Session, o Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots--
	if session.phase != viewing {
		return
	}
	delete(s.open, session)
	past := &s.past[session.form]
	session.addTo(past)
	if o == Stalled {
		past.Slow++
	}
}

// Unlisted returns a session for a request whose response ends on its own.
// It takes no slot, and doesn't count as a viewer. The caller must call [Session.End].
func (s *Sessions) Unlisted(r *http.Request) *Session {
	return &Session{sessions: s, request: r, remote: r.RemoteAddr, path: r.URL.Path, release: func() {}, sent: new(atomic.Int64)}
}
