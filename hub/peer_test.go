//go:build unix

package hub

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/test/wait"
)

// A request is canceled when its client has closed the connection, even behind bytes that net/http
// doesn't read while the request is served. A client that stays is left alone.
func TestWhileConnected(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for name, sent := range map[string]string{
			"one request":    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
			"another byte":   "GET / HTTP/1.1\r\nHost: x\r\n\r\nG",
			"two requests":   "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
			"of HTTP/1.0":    "GET / HTTP/1.0\r\n\r\nx",
			"with many more": "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + string(make([]byte, 20_000)),
		} {
			t.Run(network+", "+name, func(t *testing.T) {
				addr := "127.0.0.1:0"
				if network == "unix" {
					addr = filepath.Join(t.TempDir(), "s")
				}
				l, err := net.Listen(network, addr)
				if err != nil {
					t.Fatal(err)
				}
				f := serveOn(t, l, broadcaster.Options{})
				serving, done := make(chan struct{}, 2), make(chan struct{}, 2)
				f.http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					ctx, stop := f.sessions.WhileConnected(r, 10*time.Millisecond)
					defer stop()
					serving <- struct{}{}
					<-ctx.Done()
					done <- struct{}{}
				})
				c, err := net.Dial(network, l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				io.WriteString(c, sent)
				<-serving
				time.Sleep(100 * time.Millisecond) // long enough to be canceled, if that were wrong
				if len(done) > 0 {
					t.Fatal("the request of a client that is there was canceled")
				}
				c.Close()
				wait.For(t, wait.Patience, "the request was not canceled", func() bool { return len(done) > 0 })
			})
		}
	}
}
