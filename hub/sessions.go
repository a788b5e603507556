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

	"wsrun/internal/protocol"

	"github.com/coder/websocket"
)

// A Kind is a form in which a stream is followed.
type Kind int

const (
	KindV1 Kind = iota
	KindPlain
	KindEvents
	KindText
	Kinds
)

// String returns the kind's name in metrics and logs.
func (k Kind) String() string { return [...]string{"wsrun.v1", "websocket", "events", "text"}[k] }

var (
	errPlaces = errors.New("wsrun has as many viewers as it may have")

	// How a visit ended, where nothing else says it.
	errSilent = errors.New("it does not answer pings")
	errSpoke  = errors.New("it spoke")
	ErrMissed = errors.New("it missed output")
)

// A Sessions holds the visits of all viewers of a server, at most max at a time; 0 is
// any number.
type Sessions struct {
	Max      int
	deflate  bool          // output, for WebSockets that offer it
	log      *slog.Logger  // of viewers that connect and disconnect, at debug
	upgrades chan struct{} // see upgradeInTurn

	stop    context.Context // done when viewers are to be cut off
	Cut     context.CancelFunc
	viewers sync.WaitGroup // visits: net/http does not track WebSockets

	mu    sync.Mutex
	taken int // places, of viewers and of those that are about to be
	here  map[*Visit]struct{}
	past  [Kinds]Tally // of those who left
}

// A Tally is what was counted of viewers of one kind.
type Tally struct {
	Now, Came    int64
	Resets, Slow int64
	Sent         int64 // bytes: payloads of WebSocket messages, bodies of answers
}

// A Visit is one viewer's stay. It has a place from enter to leave, and counts as a
// viewer from begin on.
type Visit struct {
	s            *Sessions // nil if it needs no place
	R            *http.Request
	remote, path string // of r
	kind         Kind
	began        time.Time // zero before begin
	Err          error     // why it ends; nil if the viewer left
	Release      func()    // what it holds besides; may be nil

	// Written by one goroutine at a time, so that counting costs the others nothing. That
	// sent of a viewer is its own: see there.
	sent   *atomic.Int64
	Resets atomic.Int64
}

func NewSessions(max int, deflate bool, log *slog.Logger) *Sessions {
	s := &Sessions{Max: max, deflate: deflate, log: log, upgrades: make(chan struct{}, halfTheProcessors()), here: map[*Visit]struct{}{}}
	s.stop, s.Cut = context.WithCancel(context.Background())
	return s
}

// Enter gives a request that follows a stream a place; leave must be called to give it
// back. The error is errPlaces if there is none.
func (a *Sessions) Enter(r *http.Request) (*Visit, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Max > 0 && a.taken >= a.Max {
		return nil, errPlaces
	}
	a.taken++
	a.viewers.Add(1)
	return &Visit{s: a, R: r, remote: r.RemoteAddr, path: r.URL.Path, sent: new(atomic.Int64)}, nil
}

// passing returns the visit of a request whose answer ends by itself, which needs no place.
func PassingVisit(r *http.Request) *Visit { return &Visit{R: r, sent: new(atomic.Int64)} }

// Wait waits until all viewers have left.
func (a *Sessions) Wait() { a.viewers.Wait() }

// Counting returns w, of which what is written counts as sent.
func (v *Visit) Counting(w io.Writer) io.Writer { return counted{w, v} }

// Slots returns how many places are taken.
func (a *Sessions) Slots() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

// Begin counts a viewer that has a place.
func (v *Visit) Begin(k Kind) {
	if v.s == nil {
		return
	}
	v.kind, v.began = k, time.Now()
	a := v.s
	a.mu.Lock()
	a.here[v] = struct{}{}
	a.past[k].Came++
	a.mu.Unlock()
	v.log("viewer came")
}

// Leave ends the visit.
func (v *Visit) Leave() {
	if v.Release != nil {
		v.Release()
	}
	if v.s == nil {
		return
	}
	defer v.s.viewers.Done()
	a := v.s
	a.mu.Lock()
	a.taken--
	if !v.began.IsZero() {
		delete(a.here, v)
		v.add(&a.past[v.kind])
		if errors.Is(v.Err, errStalled) {
			a.past[v.kind].Slow++
		}
	}
	a.mu.Unlock()
	if !v.began.IsZero() {
		v.log("viewer left", slog.Duration("duration", time.Since(v.began)), slog.Int64("bytes", v.sent.Load()), slog.String("how", v.how()))
	}
}

// add adds what the visit has counted to t.
func (v *Visit) add(t *Tally) {
	t.Sent += v.sent.Load()
	t.Resets += v.Resets.Load()
}

func (v *Visit) how() string {
	for _, err := range []error{errStalled, errStopping, errSilent, errSpoke, ErrMissed} {
		if errors.Is(v.Err, err) {
			return err.Error()
		}
	}
	if errors.Is(v.Err, io.EOF) {
		return "the stream ended"
	}
	return "it left"
}

func (v *Visit) log(message string, more ...slog.Attr) {
	if log := v.s.log; log.Enabled(context.Background(), slog.LevelDebug) {
		log.LogAttrs(context.Background(), slog.LevelDebug, message, append([]slog.Attr{
			slog.String("kind", v.kind.String()), slog.String("remote", v.remote), slog.String("path", v.path),
		}, more...)...)
	}
}

// Tallies returns what was counted up to now.
func (a *Sessions) Tallies() [Kinds]Tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.past
	for v := range a.here {
		all[v.kind].Now++
		v.add(&all[v.kind])
	}
	return all
}

// counted counts what is written for a visit.
type counted struct {
	io.Writer
	visit *Visit
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.visit.sent.Add(int64(n))
	return n, err
}

// kindOf returns the kind of a WebSocket.
func kindOf(v1 bool) Kind {
	if v1 {
		return KindV1
	}
	return KindPlain
}

// TurnAway answers an upgrade for which there is no room with close status 1013: a page
// can't see why an upgrade was refused. It calls accepted once that is certain.
func (a *Sessions) TurnAway(w http.ResponseWriter, r *http.Request, why error, accepted func()) {
	a.viewers.Add(1)
	defer a.viewers.Done()
	c, err := accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{protocol.Subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	defer context.AfterFunc(a.stop, func() { c.CloseNow() })()
	accepted()
	c.SetReadLimit(readLimit)
	c.Close(websocket.StatusTryAgainLater, why.Error())
}
