package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"wsrun/hub"
)

// contain returns a handler that contains the panics of next. net/http would contain them as well, but
// neither count them nor log them as errors. What it gets instead makes it close the connection, so that
// the response doesn't look complete. The handler also limits the time of each response; one that goes on
// with a stream calls [hub.Begin] again.
func (s *Server) contain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				s.o.Panics.Report("serve a request", v)
			}
			panic(http.ErrAbortHandler)
		}()
		hub.Begin(r, false)
		next.ServeHTTP(w, r)
	})
}

// connContext is the [http.Server.ConnContext]. net/http calls it from the goroutine that accepts, where
// it contains no panics. A panic costs the connection.
func (s *Server) connContext(ctx context.Context, c net.Conn) (with context.Context) {
	defer s.o.Panics.Contain("begin a connection", func() {
		with = ctx
		c.Close()
	})
	if c, ok := c.(*tls.Conn); ok {
		s.beginTLS(c)
	}
	return s.strangers.context(ctx, c)
}

// beginTLS begins the handshake of a connection in a goroutine of its own, for which net/http waits: it takes
// a stack of 16 KiB, which net/http's goroutine would keep while it serves a slow client.
func (s *Server) beginTLS(c *tls.Conn) {
	began := make(chan struct{})
	go func() {
		defer s.o.Panics.Contain("begin TLS", func() { c.NetConn().Close() })
		close(began)
		c.Handshake()
	}()
	<-began
}

// connState is the [http.Server.ConnState], which is called like connContext.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	defer s.o.Panics.Contain("end a connection", nil)
	s.strangers.state(c, state)
}

// tlsConfig returns the configuration of the listener. Its callback is called in a handshake, where net/http
// contains panics, but neither counts them nor logs them as errors. A panic costs that handshake.
func (s *Server) tlsConfig() *tls.Config {
	config := s.o.Certificate.Config()
	get := config.GetCertificate
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (c *tls.Certificate, failure error) {
		defer s.o.Panics.Contain("begin TLS", func() { c, failure = nil, errHandshake })
		return get(hello)
	}
	return config
}

var errHandshake = errors.New("there was a panic")
