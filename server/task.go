package server

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

const (
	// peerInterval is how often the connection of a response that ends on its own is checked.
	peerInterval = 250 * time.Millisecond
	// followerInterval is the same for a response that follows a stream. There may be thousands.
	followerInterval = 500 * time.Millisecond
)

// admit calls serve once the gate lets a response in that ends on its own and holds up to so many bytes.
// The request that serve gets is also canceled when its client disconnects. If there is no room, admit
// responds itself.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, held int64, serve func(http.ResponseWriter, *http.Request, *task)) {
	ctx, stop := s.sessions.WhileConnected(r, peerInterval)
	defer stop()
	t, err := s.gate.enter(ctx, r.RemoteAddr, held)
	switch {
	case err == errCrowded:
		s.turnAway(w, r, formOf(r, query{}), err)
	case err != nil:
		abandon()
	default:
		defer t.leave()
		serve(w, r.WithContext(ctx), t)
	}
}

// abandon ends a handler whose client counts as gone. A client that has only closed its own side must not
// take what it gets for a whole response.
func abandon() { panic(http.ErrAbortHandler) }

// A task is a response that a gate has let in. Between its reads and its writes it uses a processor,
// which takes a turn; a read that hangs and a client that takes nothing don't. Only one goroutine may
// use a task.
type task struct {
	gate   *gate
	client netip.Prefix
	local  bool            // the client is on this machine, or behind a proxy that is
	held   int64           // bytes that it counts as
	done   <-chan struct{} // closed when the client is gone
	turn   bool            // it has a turn
}

// leave ends the task.
func (t *task) leave() {
	t.rest()
	t.gate.add(&t.gate.running, t, -1)
	t.gate.room.Release(t.held)
}

// tryWork takes a turn if there is one. It reports whether there was.
func (t *task) tryWork() bool {
	select {
	case t.gate.turns <- struct{}{}:
		t.turn = true
	default:
	}
	return t.turn
}

// work waits for a turn, unless the task has one. It reports false if the client is gone.
func (t *task) work() bool {
	if t.turn {
		return true
	}
	select {
	case <-t.done:
		return false
	default:
	}
	return t.await(t.done)
}

// await waits for a turn until over is closed. It reports whether the task has one.
func (t *task) await(over <-chan struct{}) bool {
	select {
	case t.gate.turns <- struct{}{}:
		t.turn = true
	case <-over:
	}
	return t.turn
}

// rest returns the turn, if the task has one.
func (t *task) rest() {
	if t.turn {
		t.turn = false
		<-t.gate.turns
	}
}

// stepCost is how much matching happens in a turn, in bytes times instructions: some 50 ms.
const stepCost = 4 << 20

// inTurns calls match with pieces of output, of at most so many bytes, and takes a turn for each. size is about how many
// instructions the expression has. inTurns reports false if the client is gone.
func (t *task) inTurns(p []byte, most int, size int64, match func(piece []byte)) bool {
	step := min(most, max(512, int(stepCost/max(size, 1))))
	for piece := range slices.Chunk(p, step) {
		if !t.work() {
			return false
		}
		match(piece)
		t.rest()
	}
	return true
}

// pace implements [logs.Pace]: it calls read without a turn, and then waits for one.
func (t *task) pace(read func() error) error {
	t.rest()
	err := read()
	if !t.work() {
		return context.Canceled
	}
	return err
}

// writer returns a writer to w that returns the turn before it writes.
func (t *task) writer(w io.Writer) io.Writer { return taskWriter{w, t} }

type taskWriter struct {
	io.Writer
	task *task
}

// Write implements [io.Writer].
func (w taskWriter) Write(p []byte) (int, error) {
	w.task.rest()
	return w.Writer.Write(p)
}

// response returns w for a handler whose writes return the turn.
func (t *task) response(w http.ResponseWriter) taskResponse { return taskResponse{w, t} }

type taskResponse struct {
	http.ResponseWriter
	task *task
}

// Write implements [io.Writer].
func (w taskResponse) Write(p []byte) (int, error) {
	return taskWriter{w.ResponseWriter, w.task}.Write(p)
}

// Unwrap lets [http.ResponseController] find the writer beneath.
func (w taskResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }
