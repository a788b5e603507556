package hub

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/test/peer"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// A viewer that accepts some bytes isn't considered dead until it has the ping, however long that
// takes. Then it has pongTime to answer.
func TestPingBehindOutput(t *testing.T) {
	near, far := connected(t)
	near.(*net.TCPConn).SetReadBuffer(16 << 10)
	v := &viewer{pings: make(chan []byte, 1), pong: make(chan struct{}, 1), wire: wire{sender: far}}
	fill(t, &v.wire)
	now := time.Duration(0)
	beat := func() Outcome { now += pongTime; return v.heartbeat(now) }
	if out := beat(); out != Following || v.pongBy == 0 {
		t.Fatalf("no ping is sent: %v", out)
	}
	takes := func(n int64) {
		t.Helper()
		before, _, _ := v.wire.delivered()
		if _, err := io.CopyN(io.Discard, near, n); err != nil {
			t.Fatal(err)
		}
		wait.For(t, wait.Patience, "nothing is acknowledged", func() bool {
			acked, _, _ := v.wire.delivered()
			return acked > before
		})
	}
	takes(150_000)
	v.nextPing = now + time.Hour // only this ping matters
	if out := beat(); out != Following {
		t.Errorf("the viewer has accepted bytes, but the outcome is %v", out)
	}
	if out := beat(); out != Silent {
		t.Errorf("the viewer has accepted nothing, and the outcome is %v", out)
	}
	takes(50_000)
	v.wire.setNonblocking(false)
	go func() {
		time.Sleep(10 * time.Millisecond)
		io.Copy(io.Discard, near)
	}()
	if out := v.wire.flush(); out != Following {
		t.Fatal(out)
	}
	wait.For(t, wait.Patience, "the viewer does not have all output", func() bool {
		_, queued, ok := v.wire.delivered()
		return ok && queued == 0
	})
	if out := beat(); out != Following {
		t.Errorf("the viewer has had the ping for less than pongTime, but the outcome is %v", out)
	}
	if out := beat(); out != Silent {
		t.Errorf("the viewer has had the ping for long, and the outcome is %v", out)
	}
}

// At the end of the stream, a slow viewer gets all that was sent, even though it sends pings.
func TestSlowViewerGetsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for longer than a close handshake may take")
	}
	t.Parallel()
	b := serve(t, broadcaster.Options{})
	c := b.dialNarrow()
	all := numbered(400_000) // more than the viewer's system holds, less than wsrun's does
	b.Write(all)
	b.end(0)
	for range 7 { // coder/websocket waits 5 s
		time.Sleep(time.Second)
		go c.Ping(t.Context())
	}
	if r, err := watch.Viewer(c, -1); err != nil || r.Code != 1000 || !bytes.Equal(r.Data, all) {
		t.Errorf("got %d of %d bytes, %v, %v", len(r.Data), len(all), r.Code, err)
	}
}

// A viewer that still has responses to read may have to be waited for, so it is upgraded without a
// turn.
func TestUpgradeTurnNeverBlocks(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	for range cap(b.sessions.upgrades) {
		b.sessions.upgrades <- struct{}{}
	}
	free := sync.OnceFunc(func() {
		for range cap(b.sessions.upgrades) {
			<-b.sessions.upgrades
		}
	})
	defer free()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	c.SetDeadline(time.Now().Add(wait.Patience))
	io.WriteString(c, strings.Repeat("GET /-/healthz HTTP/1.1\r\nHost: "+b.addr+"\r\n\r\n", 500)+peer.Upgrade(b.addr))
	wait.For(t, wait.Patience, "the connection does not become a viewer", func() bool { n, _ := b.hub.audience.count(); return n == 1 })

	joined := make(chan error, 1)
	go func() {
		s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr))
		s.Close()
		joined <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if n, _ := b.hub.audience.count(); n != 1 {
		t.Error("another viewer joined without a turn")
	}
	free()
	if err := <-joined; err != nil {
		t.Error(err)
	}
}
