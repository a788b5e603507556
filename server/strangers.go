package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"wsrun/hub"
	"wsrun/internal/access"
)

// strangers are the connections on which no request has shown credentials yet. If there are too many,
// the oldest is closed: a viewer soon shows credentials, while a connection that only takes
// descriptors gets old. Methods may be called concurrently.
type strangers struct {
	most int // 0 means any number

	mu    sync.Mutex
	order list.List // of net.Conn, the oldest first
	conns map[net.Conn]*list.Element
}

// newStrangers returns strangers that are at most so many, or any number if most is 0.
func newStrangers(most int) *strangers {
	return &strangers{most: most, conns: map[net.Conn]*list.Element{}}
}

// stranger is the context key of a request's connection.
type stranger struct{}

// context is the [http.Server.ConnContext] of the server.
func (s *strangers) context(ctx context.Context, c net.Conn) context.Context {
	ctx = hub.ConnContext(ctx, c)
	if s.most == 0 {
		return ctx
	}
	s.add(c)
	return context.WithValue(ctx, stranger{}, c)
}

// add adds a new connection.
func (s *strangers) add(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.order.Len() >= s.most {
		oldest := s.order.Remove(s.order.Front()).(net.Conn)
		delete(s.conns, oldest)
		if encrypted, ok := oldest.(*tls.Conn); ok {
			oldest = encrypted.NetConn() // the other Close may wait for the client
		}
		oldest.Close()
	}
	s.conns[c] = s.order.PushBack(c)
}

// state is the [http.Server.ConnState] of the server.
func (s *strangers) state(c net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		s.remove(c)
	}
}

// remove removes a connection, if it is there.
func (s *strangers) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.conns[c]; e != nil {
		s.order.Remove(e)
		delete(s.conns, c)
	}
}

// recognize returns a handler of the requests that a guard lets through. The connection of a request
// that has shown credentials isn't a stranger's any more.
func (s *strangers) recognize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(stranger{}).(net.Conn); ok && access.Authorized(r) {
			s.remove(c)
		}
		next.ServeHTTP(w, r)
	})
}
