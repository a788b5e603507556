package hub

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"wsrun/internal/protocol"
)

// A Form is how a viewer follows a stream.
type Form int

// Forms of a stream.
const (
	FormV1     Form = iota // WebSocket, wsrun.v1
	FormPlain              // WebSocket, plain text
	FormEvents             // server-sent events
	FormText               // an HTTP response
	Forms                  // how many there are
)

// String returns the form's name in metrics and logs.
func (f Form) String() string { return [...]string{"wsrun.v1", "websocket", "events", "text"}[f] }

// formOf returns the form of a WebSocket.
func formOf(v1 bool) Form {
	if v1 {
		return FormV1
	}
	return FormPlain
}

// ErrFull reports that as many viewers follow streams as may.
var ErrFull = errors.New("wsrun has as many viewers as it may have")

// SessionOptions describes the sessions of a server. The zero value has no limit.
type SessionOptions struct {
	MaxViewers int          // at a time; 0 is any number
	Deflate    bool         // output, for WebSockets that offer it
	Log        *slog.Logger // of viewers that connect and disconnect, at debug level; needed
}

// Sessions are those of all viewers of a server. Their methods may be called concurrently.
type Sessions struct {
	o        SessionOptions
	upgrades chan struct{} // holds one for each WebSocket that is being opened; see upgradeInTurn

	stop    context.Context // done when viewers are to be cut off
	cut     context.CancelFunc
	viewers sync.WaitGroup // net/http does not wait for WebSockets

	mu    sync.Mutex
	slots int // taken, by viewers and by requests that are about to become viewers
	open  map[*Session]struct{}
	past  [Forms]Tally // of sessions that have ended
}

// A Tally is what was counted of viewers of one form.
type Tally struct {
	Now, Started int64 // viewers
	Resets       int64 // gaps that viewers were told of
	Slow         int64 // viewers that were dropped since they took nothing
	Sent         int64 // bytes: payloads of WebSocket messages, bodies of responses
}

// NewSessions returns a server's sessions. The caller must call Cut.
func NewSessions(o SessionOptions) *Sessions {
	s := &Sessions{o: o, upgrades: make(chan struct{}, halfTheProcessors()), open: map[*Session]struct{}{}}
	s.stop, s.cut = context.WithCancel(context.Background())
	return s
}

// Cut closes the connections of all WebSockets at once. It may be called more than once.
func (s *Sessions) Cut() { s.cut() }

// Wait waits until all sessions have ended.
func (s *Sessions) Wait() { s.viewers.Wait() }

// Slots returns how many slots are taken, and how many there are; 0 is any number.
func (s *Sessions) Slots() (taken, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots, s.o.MaxViewers
}

// Tallies returns what was counted up to now, by form.
func (s *Sessions) Tallies() [Forms]Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.past
	for one := range s.open {
		all[one.form].Now++
		one.addTo(&all[one.form])
	}
	return all
}

// A phase is how far a session has come.
type phase int

const (
	unlisted phase = iota // of a response that ends on its own: it takes no slot
	waiting               // it has a slot, and is no viewer yet
	viewing               // it counts as a viewer
)

// A Session is one viewer's. One goroutine at a time uses it.
type Session struct {
	all          *Sessions
	phase        phase
	request      *http.Request
	remote, path string // of request
	form         Form
	began        time.Time // when it became a viewer
	outcome      Outcome
	release      func() // called at the end

	// Written by one goroutine at a time, so that counting costs the others nothing. Of a
	// WebSocket sent is the viewer's own count.
	sent   *atomic.Int64
	resets atomic.Int64
}

// Enter gives a request that follows a stream a slot. The caller must call [Session.End],
// or ServeWebSocket, which does. The error is [ErrFull].
func (s *Sessions) Enter(r *http.Request) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.MaxViewers > 0 && s.slots >= s.o.MaxViewers {
		return nil, ErrFull
	}
	s.slots++
	s.viewers.Add(1)
	one := s.Unlisted(r)
	one.phase = waiting
	return one, nil
}

// Unlisted returns the session of a request whose response ends on its own. It takes no
// slot, and does not count as a viewer.
func (s *Sessions) Unlisted(r *http.Request) *Session {
	return &Session{all: s, request: r, remote: r.RemoteAddr, path: r.URL.Path, release: func() {}, sent: new(atomic.Int64)}
}

// Request returns the request. A WebSocket's is forgotten once it is a viewer.
func (s *Session) Request() *http.Request { return s.request }

// OnEnd sets what is called at the session's end.
func (s *Session) OnEnd(release func()) { s.release = release }

// Begin counts the session as a viewer, if it has a slot.
func (s *Session) Begin(f Form) {
	if s.phase != waiting {
		return
	}
	s.phase, s.form, s.began = viewing, f, time.Now()
	s.all.mu.Lock()
	s.all.open[s] = struct{}{}
	s.all.past[f].Started++
	s.all.mu.Unlock()
	s.log("viewer came")
}

// Missed counts a gap that the viewer is told of.
func (s *Session) Missed() { s.resets.Add(1) }

// Counting returns a writer to w that counts what it writes as sent.
func (s *Session) Counting(w io.Writer) io.Writer { return counter{w, s.sent} }

// End ends the session and gives its slot back.
func (s *Session) End(o Outcome) {
	s.outcome = o
	s.release()
	if s.phase == unlisted {
		return
	}
	defer s.all.viewers.Done()
	s.all.mu.Lock()
	s.all.slots--
	if s.phase == viewing {
		delete(s.all.open, s)
		s.addTo(&s.all.past[s.form])
		if o == Stalled {
			s.all.past[s.form].Slow++
		}
	}
	s.all.mu.Unlock()
	if s.phase == viewing {
		s.log("viewer left", slog.Duration("duration", time.Since(s.began)), slog.Int64("bytes", s.sent.Load()), slog.String("how", o.String()))
	}
}

// Lost returns the outcome of a session whose connection can't be written to any more.
func (s *Session) Lost() Outcome {
	if c, ok := s.request.Context().Value(connection{}).(sender); ok && c.stalled() {
		return Stalled
	}
	return Left
}

// addTo adds what the session has counted to t.
func (s *Session) addTo(t *Tally) {
	t.Sent += s.sent.Load()
	t.Resets += s.resets.Load()
}

func (s *Session) log(message string, more ...slog.Attr) {
	if log := s.all.o.Log; log.Enabled(context.Background(), slog.LevelDebug) {
		log.LogAttrs(context.Background(), slog.LevelDebug, message, append([]slog.Attr{
			slog.String("kind", s.form.String()), slog.String("remote", s.remote), slog.String("path", s.path),
		}, more...)...)
	}
}

// TurnAway answers an upgrade for which there is no room with close status 1013: a page
// can't see why an upgrade was refused. It reports false, and has answered, where the
// handshake is bad; else it calls accepted before the client can know.
func (s *Sessions) TurnAway(w http.ResponseWriter, r *http.Request, why error, accepted func()) bool {
	s.viewers.Add(1)
	defer s.viewers.Done()
	c, err := accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{protocol.Subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return false
	}
	defer context.AfterFunc(s.stop, func() { c.CloseNow() })()
	accepted()
	c.SetReadLimit(readLimit)
	c.Close(websocket.StatusTryAgainLater, why.Error())
	return true
}

// A counter counts what it writes.
type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
