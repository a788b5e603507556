package hub

import (
	"context"
	"net/http"
	"time"
)

// WhileConnected returns a context for a request that is also done once the client has closed its
// connection, which is checked at the given interval. net/http notices that only until the client
// sends another byte, for example a request that is pipelined. The caller must call stop, which
// frees the context.
func (s *Sessions) WhileConnected(r *http.Request, interval time.Duration) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(r.Context())
	c, ok := ctx.Value(connection{}).(sender)
	if !ok {
		return ctx, cancel
	}
	var check func()
	checks := 0
	check = func() {
		// The next check may work. If the context ended instead, a response would look complete.
		defer s.o.Panics.Contain("look after a connection", func() { time.AfterFunc(interval, check) })
		if ctx.Err() != nil {
			return
		}
		if checks++; c.gone() || checks%10 == 0 && c.unanswered() {
			cancel()
			return
		}
		time.AfterFunc(interval, check)
	}
	time.AfterFunc(interval, check)
	return ctx, cancel
}

// Begin says what kind of response to r begins on r's connection: a stream, which may take any time,
// or another response, for which the client has a limited time (docs/protocol.md, Limits).
func Begin(r *http.Request, stream bool) {
	if c, ok := r.Context().Value(connection{}).(sender); ok {
		c.begin(stream)
	}
}
