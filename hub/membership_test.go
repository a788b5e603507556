package hub

import (
	"net"
	"slices"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
)

// A viewer can't change writers while it is being put into a queue: no writer would serve it in the
// old one's.
func TestEnqueueHoldsMembership(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	w := b.manualWriter()
	b.dial("?n=0", protocol.Subprotocol)
	v := w.awaitQueued(t)
	w.serveQueue()
	free := func() bool {
		if !v.member.mu.TryLock() {
			return false
		}
		v.member.mu.Unlock()
		return true
	}
	w.mu.Lock()
	go v.enqueue()
	held := 0
	for deadline := time.Now().Add(wait.Patience); held < 10 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if held++; free() {
			held = 0
		}
	}
	w.mu.Unlock()
	if held == 0 {
		t.Fatal("the viewer may leave while it is being queued")
	}
	wait.For(t, wait.Patience, "the viewer is not in the queue", func() bool { return len(w.waiting()) == 1 })
}

// An entry in the queue of a viewer's former writer means nothing.
func TestStaleQueueEntryIsIgnored(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	before := b.manualWriter()
	b.dial("?n=0", protocol.Subprotocol)
	v := before.awaitQueued(t)
	before.serveQueue()
	v.enqueue()
	v.member.leave()
	now := b.manualWriter()
	slices.Reverse(b.hub.pool.writers)
	b.hub.pool.assign(v)
	before.serveQueue()
	before.pass(noCount)
	v.enqueue()
	if len(before.current) > 0 || len(before.waiting()) > 0 || len(now.waiting()) != 1 {
		t.Errorf("the former writer has the viewer %d and %d times, its writer %d times; want 0, 0, 1",
			len(before.current), len(before.waiting()), len(now.waiting()))
	}
	if now.serveQueue(); len(now.current) != 1 {
		t.Errorf("its writer has the viewer %d times, want 1", len(now.current))
	}
}

// A viewer that leaves while a frame is half written gets the rest of it, then a close frame.
func TestStuckViewerLeaves(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	w := b.manualWriter()
	s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Conn.(*net.TCPConn).SetReadBuffer(128 << 10)
	v := w.awaitQueued(t)
	closing, called := v.wire.closing, make(chan struct{})
	v.wire.closing = func() {
		closing()
		close(called)
	}
	b.Write(numbered(6 << 20)) // more than the sockets hold
	b.Flush()
	stuck := 0 // consecutive checks at which the wire was being written to
	wait.For(t, wait.Patience, "the viewer is not stuck", func() bool {
		w.serveQueue()
		if stuck++; v.wire.mu.TryLock() {
			v.wire.mu.Unlock()
			stuck = 0
		}
		return stuck == 20
	})
	s.Write(peer.Masked(protocol.FinBit|protocol.OpClose, peer.StatusBytes(1000)))
	<-called
	before, _ := b.added()
	if end, err := s.End(); end != "1000" || err != nil {
		t.Errorf("ended with %s, %v", end, err)
	}
	b.awaitSlots(0)
	if times, _ := b.added(); times != before {
		t.Error("the viewer entered the writer pool on its way out")
	}
}
