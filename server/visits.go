package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A kind is a form in which a stream is followed.
type kind int

const (
	kindV1 kind = iota
	kindPlain
	kindEvents
	kindText
	kinds
)

// String returns the kind's name in metrics and logs.
func (k kind) String() string { return [...]string{"wsrun.v1", "websocket", "events", "text"}[k] }

// Those who find all places taken are told to come again after fullTime, more or
// less by fullJitter, so that they don't come at once.
const (
	fullTime   = 10 * time.Second
	fullJitter = 5 * time.Second
)

var (
	errPlaces = errors.New("wsrun has as many viewers as it may have")

	// How a visit ended, where nothing else says it.
	errSilent = errors.New("it does not answer pings")
	errSpoke  = errors.New("it spoke")
	errMissed = errors.New("it missed output")
)

// visits are those of all viewers. It holds no more than max at a time; 0 is any
// number.
type visits struct {
	max   int
	mu    sync.Mutex
	taken int // places, of viewers and of those that are about to be
	here  map[*visit]struct{}
	past  [kinds]tally // of those who left
}

// A tally is what was counted of viewers of one kind.
type tally struct {
	now, came    int64
	resets, slow int64
	sent         int64 // bytes: payloads of WebSocket messages, bodies of answers
}

// A visit is one viewer's stay. It has a place from enter to leave, and counts as a
// viewer from begin on.
type visit struct {
	s            *Server // nil if it needs no place
	r            *http.Request
	remote, path string // of r
	kind         kind
	began        time.Time // zero before begin
	err          error     // why it ends; nil if the viewer left
	release      func()    // what it holds besides; may be nil

	// Written by one goroutine at a time, so that counting costs the others nothing. That
	// sent of a viewer is its own: see there.
	sent   *atomic.Int64
	resets atomic.Int64
}

// enter gives a request for a form of a stream a place; leave must be called to give
// it back. It returns nil if there is none and the request has been answered.
// Answers that end by themselves need none.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, form form, q query) *visit {
	if form == asText && !q.follow || r.Method == http.MethodHead {
		return &visit{r: r, sent: new(atomic.Int64)}
	}
	a := &s.visits
	a.mu.Lock()
	full := a.max > 0 && a.taken >= a.max
	if !full {
		a.taken++
	}
	a.mu.Unlock()
	if full {
		s.turnAway(w, r, form, errPlaces)
		return nil
	}
	s.viewers.Add(1)
	return &visit{s: s, r: r, remote: r.RemoteAddr, path: r.URL.Path, sent: new(atomic.Int64)}
}

// begin counts a viewer that has a place.
func (v *visit) begin(k kind) {
	if v.s == nil {
		return
	}
	v.kind, v.began = k, time.Now()
	a := &v.s.visits
	a.mu.Lock()
	a.here[v] = struct{}{}
	a.past[k].came++
	a.mu.Unlock()
	v.log("viewer came")
}

// leave ends the visit.
func (v *visit) leave() {
	if v.release != nil {
		v.release()
	}
	if v.s == nil {
		return
	}
	defer v.s.viewers.Done()
	a := &v.s.visits
	a.mu.Lock()
	a.taken--
	if !v.began.IsZero() {
		delete(a.here, v)
		v.add(&a.past[v.kind])
		if errors.Is(v.err, errStalled) {
			a.past[v.kind].slow++
		}
	}
	a.mu.Unlock()
	if !v.began.IsZero() {
		v.log("viewer left", slog.Duration("duration", time.Since(v.began)), slog.Int64("bytes", v.sent.Load()), slog.String("how", v.how()))
	}
}

// add adds what the visit has counted to t.
func (v *visit) add(t *tally) {
	t.sent += v.sent.Load()
	t.resets += v.resets.Load()
}

func (v *visit) how() string {
	for _, err := range []error{errStalled, errStopping, errSilent, errSpoke, errMissed} {
		if errors.Is(v.err, err) {
			return err.Error()
		}
	}
	if errors.Is(v.err, io.EOF) {
		return "the stream ended"
	}
	return "it left"
}

func (v *visit) log(message string, more ...slog.Attr) {
	if log := v.s.o.Log; log.Enabled(context.Background(), slog.LevelDebug) {
		log.LogAttrs(context.Background(), slog.LevelDebug, message, append([]slog.Attr{
			slog.String("kind", v.kind.String()), slog.String("remote", v.remote), slog.String("path", v.path),
		}, more...)...)
	}
}

// tallies returns what was counted up to now.
func (a *visits) tallies() [kinds]tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.past
	for v := range a.here {
		all[v.kind].now++
		v.add(&all[v.kind])
	}
	return all
}

// turnAway answers a request for which there is no room.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, form form, why error) {
	if held, ok := s.full.now(); ok {
		s.o.Log.LogAttrs(context.Background(), slog.LevelWarn, "a viewer was turned away", slog.String("why", why.Error()), slog.Int64("earlier", held))
	}
	if form != asWebSocket {
		wait := fullTime - fullJitter + rand.N(2*fullJitter)
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		http.Error(w, why.Error(), http.StatusServiceUnavailable)
		return
	}
	// A page can't see why an upgrade was refused.
	s.viewers.Add(1)
	defer s.viewers.Done()
	c, err := accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	defer context.AfterFunc(s.stop, func() { c.CloseNow() })()
	s.refused(r, reasonFull)
	c.SetReadLimit(readLimit)
	c.Close(websocket.StatusTryAgainLater, why.Error())
}

// counted counts what is written for a visit.
type counted struct {
	io.Writer
	visit *visit
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.visit.sent.Add(int64(n))
	return n, err
}

// kindOf returns the kind of a WebSocket.
func kindOf(v1 bool) kind {
	if v1 {
		return kindV1
	}
	return kindPlain
}
