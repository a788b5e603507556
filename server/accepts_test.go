package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/watch"
)

// A failingListener is a listener whose Accept first fails a number of times.
type failingListener struct {
	*peer.PipeListener
	err   error
	times int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.times > 0 {
		l.times--
		return nil, &net.OpError{Op: "accept", Err: l.err}
	}
	return l.PipeListener.Accept()
}

// TestAcceptFails checks that after any error of accept(2), the server keeps serving, without
// a busy loop and with at most one log line in 10 s.
func TestAcceptFails(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EIO, syscall.EPERM} {
		synctest.Test(t, func(t *testing.T) {
			l := &failingListener{peer.Listen(), errno, 40}
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

// TestDescriptorShortageClosesIdleConnections checks that idle connections are closed when
// file descriptors run out, and that viewers are not.
func TestDescriptorShortageClosesIdleConnections(t *testing.T) {
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
	watched := make(chan watch.Report)
	go func() { r, _ := watch.Viewer(busy, -1); watched <- r }()
	closed := make(chan error)
	go func() { _, err := r.ReadByte(); closed <- err }()
	for { // until net/http has noticed that the connection is idle
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
	if r := <-watched; string(r.Data) != "unharmed" || r.Code != 1000 {
		t.Errorf("the viewer: %+v", r)
	}
}
