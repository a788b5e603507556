package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
)

// head returns a request whose head has so many bytes.
func head(addr string, size int) string {
	start, end := "GET /-/healthz HTTP/1.1\r\nHost: "+addr+"\r\nX: ", "\r\n\r\n"
	return start + strings.Repeat("x", size-len(start)-len(end)) + end
}

func TestHeadsHave16KiB(t *testing.T) {
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
	// The limit is each request's, not the connection's.
	if resp := b.raw(head(b.addr, 16<<10-1) + head(b.addr, 16<<10)); resp == nil || resp.StatusCode != 200 {
		t.Errorf("the first of two: %v", resp)
	}
}

// inPipe runs f in a bubble of time with a server and a connection to it.
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

func TestHeadsHave5Seconds(t *testing.T) {
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

func TestIdleConnectionsHave120Seconds(t *testing.T) {
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

// What comes in is never compressed: it would be a way to make a lot out of little.
func TestNoCompressionIsNegotiated(t *testing.T) {
	b := serve(t, Options{})
	resp := b.raw(peer.Upgrade(b.addr, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"))
	if resp == nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("%+v", resp)
	}
}

// awaitPlaces waits until so many places are taken.
func (b *bench) awaitPlaces(want int) {
	b.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		taken, _ := b.srv.sessions.Slots()
		if taken == want {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d places are taken, want %d", taken, want)
		}
	}
}

func TestFull(t *testing.T) {
	b := serve(t, Options{MaxViewers: 1})
	b.Write([]byte("one\n"))
	first := b.dial("", protocol.Subprotocol)
	for range 3 {
		for _, protocols := range [][]string{nil, {protocol.Subprotocol}} {
			_, err := b.dial("", protocols...).Next(t.Context())
			var e client.CloseError
			if !errors.As(err, &e) || e.Code != protocol.CloseFull || e.Reason == "" {
				t.Errorf("a WebSocket of %q: %v", protocols, err)
			}
		}
		for _, request := range [][]string{{"/?tail=1"}, {"/?tail=1&format=raw"}, {"/", "Accept", "text/event-stream"}} {
			resp, _ := b.get(request[0], request[1:]...)
			wait, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			if resp.StatusCode != 503 || wait < 5 || wait > 15 {
				t.Errorf("%q: %s, Retry-After %q", request, resp.Status, resp.Header.Get("Retry-After"))
			}
		}
		for _, request := range [][]string{{"/"}, {"/", "Accept", "text/html"}, {"/?format=raw"}, {"/-/healthz"}, {"/-/status"}, {"/-/metrics"}} {
			if resp, _ := b.get(request[0], request[1:]...); resp.StatusCode != 200 {
				t.Errorf("%q: %s", request, resp.Status)
			}
		}
	}
	first.Close()
	b.awaitPlaces(0)
	second := b.dial("", protocol.Subprotocol)
	b.end(0)
	if r, err := watch(second, -1); err != nil || string(r.data) != "one\n" {
		t.Errorf("the next: %+v, %v", r, err)
	}
}

// Places are counted exactly, whatever comes of those who ask for one.
func TestPlaces(t *testing.T) {
	const places = 8
	b := serve(t, Options{MaxViewers: places})
	most, asked := 0, 0
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var in []io.Closer
		for i := range 10 * places {
			wg.Go(func() {
				c, err := net.Dial("tcp", b.addr)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(10 * time.Second))
				request := peer.Upgrade(b.addr)
				switch i % 5 {
				case 0: // a handshake that fails
					request = peer.Upgrade(b.addr, "dGhlIHNhbXBsZSBub25jZQ==", "short")
				case 1: // or of which half comes
					io.WriteString(c, request[:len(request)/2])
					c.Close()
					return
				case 2: // or whose answer nobody waits for
					io.WriteString(c, request)
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
					return
				case 3:
					request = fmt.Sprintf("GET /?tail=1 HTTP/1.1\r\nHost: %s\r\n\r\n", b.addr)
				}
				io.WriteString(c, request)
				r := bufio.NewReader(c)
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				full := resp.StatusCode == 503
				if resp.StatusCode == 101 {
					frame, _ := r.Peek(4)
					full = frame[0] == 0x88 && frame[2] == 1013>>8 && frame[3] == 1013&0xff
				}
				if resp.StatusCode == 400 || full {
					c.Close()
					return
				}
				mu.Lock()
				in = append(in, c)
				mu.Unlock()
			})
			if i == 0 {
				b.Write([]byte("something\n")) // so that those who are in get a frame
			}
		}
		wg.Wait()
		most, asked = max(most, len(in)), asked+10*places
		if len(in) > places || len(in) == 0 {
			t.Errorf("round %d: %d are in, of %d places", round, len(in), places)
		}
		b.awaitPlaces(len(in))
		for _, c := range in {
			c.Close()
		}
		b.awaitPlaces(0)
		here := int64(0)
		for _, t := range b.srv.sessions.Tallies() {
			here += t.Now
		}
		if here != 0 {
			t.Errorf("round %d: %d are still counted", round, here)
		}
	}
	t.Attr("promise", "there are no more viewers than places, whatever comes of those who ask for one")
	t.Attr("figure", fmt.Sprintf("%d at a time of %d places, %d asked", most, places, asked))
}

// A failing listens, but Accept fails so many times first.
type failing struct {
	*peer.PipeListener
	err   error
	times int
}

func (l *failing) Accept() (net.Conn, error) {
	if l.times > 0 {
		l.times--
		return nil, &net.OpError{Op: "accept", Err: l.err}
	}
	return l.PipeListener.Accept()
}

// Whatever accept(2) says, serving goes on, with one line in 10 s and no busy loop.
func TestAcceptFails(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EIO, syscall.EPERM} {
		synctest.Test(t, func(t *testing.T) {
			l := &failing{peer.Listen(), errno, 40}
			var log strings.Builder
			b := broadcaster.New(broadcaster.Options{})
			srv := New(Options{Catalog: Single(hub.Options{Stream: b}), Addr: l.Addr(), Log: slog.New(slog.NewTextHandler(&log, nil))})
			done := make(chan error)
			began := time.Now()
			go func() { done <- srv.Serve(l) }()
			client := http.Client{Transport: &http.Transport{DialContext: l.Dial}}
			resp, err := client.Get("http://pipe/-/healthz")
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%v: %v, %v", errno, resp, err)
			}
			resp.Body.Close()
			took := time.Since(began)
			client.CloseIdleConnections()
			b.Close()
			srv.Shutdown(context.Background())
			<-done
			lines := strings.Count(log.String(), "\n")
			if most := int(took/logTime) + 1; took < 30*time.Second || lines != most || !strings.Contains(log.String(), errno.Error()) {
				t.Errorf("%v: %d lines in %v, want %d: %s", errno, lines, took, most, log.String())
			}
			if n := srv.accepts.failures.Load(); n != 40 {
				t.Errorf("%v: %d failures counted, want 40", errno, n)
			}
		})
	}
}

// For lack of descriptors, those of idle connections are freed.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	b := serve(t, Options{})
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	io.WriteString(c, "GET /-/healthz HTTP/1.1\r\nHost: "+b.addr+"\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	busy := b.dial("", protocol.Subprotocol)
	watched := make(chan report)
	go func() { r, _ := watch(busy, -1); watched <- r }()
	closed := make(chan error)
	go func() { _, err := r.ReadByte(); closed <- err }()
	for { // until net/http knows that it is idle
		b.srv.acceptFailed(syscall.EMFILE)
		select {
		case err := <-closed:
			if err != io.EOF {
				t.Errorf("the idle connection: %v", err)
			}
		default:
			continue
		}
		break
	}
	b.Write([]byte("unharmed"))
	b.end(0)
	if r := <-watched; string(r.data) != "unharmed" || r.code != 1000 {
		t.Errorf("the viewer: %+v", r)
	}
}
