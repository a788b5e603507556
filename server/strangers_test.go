package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"wsrun/test/wait"
)

// When there are too many connections without credentials, the oldest is closed. One that has shown
// credentials stays, however old it is.
func TestStrangersMakeRoom(t *testing.T) {
	const most = 4
	b := serve(t, Options{Token: "secret", MaxStrangers: most})
	viewer := b.connect()
	ask := func() {
		t.Helper()
		fmt.Fprintf(viewer, "GET /-/status HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer secret\r\n\r\n", b.addr)
		resp, err := http.ReadResponse(bufio.NewReader(viewer), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		io.Copy(io.Discard, resp.Body)
	}
	ask()
	var all []net.Conn
	for range 3 * most {
		all = append(all, b.connect())
	}
	for i, c := range all[:2*most] {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection %d: %v, want it closed", i, err)
		}
	}
	for i, c := range all[2*most:] {
		fmt.Fprintf(c, "GET /-/status HTTP/1.1\r\nHost: %s\r\n\r\n", b.addr)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 401 {
			t.Errorf("connection %d: %v, %v", 2*most+i, resp, err)
		}
	}
	ask()
	// Closed connections leave room.
	for _, c := range all {
		c.Close()
	}
	wait.For(t, wait.Patience, "connections that were closed still count", func() bool { return b.srv.strangers.count() == 0 })
}

// connect opens a connection, which is closed at the end of the test.
func (b *bench) connect() net.Conn {
	b.t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// count returns the number of strangers.
func (s *strangers) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order.Len()
}
