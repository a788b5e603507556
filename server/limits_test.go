package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/test/peer"
)

// head returns a request with a header of that many bytes.
func head(addr string, size int) string {
	start, end := "GET /-/healthz HTTP/1.1\r\nHost: "+addr+"\r\nX: ", "\r\n\r\n"
	return start + strings.Repeat("x", size-len(start)-len(end)) + end
}

func TestHeaderSizeLimit(t *testing.T) {
	b := serve(t, Options{})
	longest := 0
	for size, want := range map[int]int{16 << 10: 200, 16<<10 + 1: 431, 32 << 10: 431, 1 << 20: 431} {
		resp := b.raw(head(b.addr, size))
		if resp == nil || resp.StatusCode != want {
			t.Errorf("a head of %d bytes: %v, want %d", size, resp, want)
		} else if want == 200 {
			longest = max(longest, size)
		}
	}
	t.Attr("promise", "heads of requests are bounded")
	t.Attr("figure", fmt.Sprintf("%d bytes", longest))
	// The limit applies to each request, not to the connection.
	if resp := b.raw(head(b.addr, 16<<10-1) + head(b.addr, 16<<10)); resp == nil || resp.StatusCode != 200 {
		t.Errorf("the first of two: %v", resp)
	}
}

// inPipe runs f in a synctest bubble, with a connection to a server in the same bubble.
func inPipe(t *testing.T, f func(t *testing.T, c net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := peer.Listen()
		stream := broadcaster.New(broadcaster.Options{})
		srv := New(Options{Catalog: Single(hub.Options{Stream: stream, Started: time.Now()}), Addr: l.Addr()})
		done := make(chan error)
		go func() { done <- srv.Serve(l) }()
		c, _ := l.Dial(t.Context(), "", "")
		f(t, c)
		c.Close()
		stream.Close()
		srv.Shutdown(t.Context())
		<-done
	})
}

func TestHeaderTimeout(t *testing.T) {
	longest := time.Duration(0)
	defer func() {
		t.Attr("promise", "a head that does not come closes its connection")
		t.Attr("figure", fmt.Sprintf("after %v", longest))
	}()
	for name, request := range map[string]string{"none": "", "half": "GET / HTTP/1.1\r\nHost: pi", "slow": "GET / HTTP/1.1\r\nX: 1234567890"} {
		inPipe(t, func(t *testing.T, c net.Conn) {
			began := time.Now()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				if name != "slow" {
					io.WriteString(c, request)
					return
				}
				for i := range request {
					if _, err := io.WriteString(c, request[i:i+1]); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			io.Copy(io.Discard, c)
			took := time.Since(began)
			longest = max(longest, took)
			if took < 5*time.Second || took > 6*time.Second {
				t.Errorf("%s: closed after %v, want 5 s", name, took)
			}
			c.Close()
			<-sent
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	inPipe(t, func(t *testing.T, c net.Conn) {
		r := bufio.NewReader(c)
		for range 3 {
			io.WriteString(c, "GET /-/healthz HTTP/1.1\r\nHost: pipe\r\n\r\n")
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			time.Sleep(119 * time.Second)
		}
		began := time.Now()
		io.Copy(io.Discard, r)
		took := time.Since(began)
		if took > 2*time.Second {
			t.Errorf("closed %v late", took-time.Second)
		}
		t.Attr("promise", "an idle connection is closed")
		t.Attr("figure", fmt.Sprintf("after %v", 119*time.Second+took))
	})
}

// TestInputIsNeverCompressed checks that a server without deflate declines the extension: with
// it, a few bytes from a client could expand to a lot of work.
func TestInputIsNeverCompressed(t *testing.T) {
	b := serve(t, Options{})
	resp := b.raw(peer.Upgrade(b.addr, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"))
	if resp == nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("%+v", resp)
	}
}
