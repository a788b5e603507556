package hub

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// A viewer gets a long backlog in parts. In between, viewers that have all output get live output.
func TestBacklogIsSentInTurns(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	all := numbered(3 << 20)
	b.Write(all)
	b.Flush()
	w := b.manualWriter()
	early := b.dial("?n=0", protocol.Subprotocol)
	w.awaitQueued(t)
	w.serveQueue()

	var read atomic.Int64 // bytes of messages
	c := b.dial("", protocol.Subprotocol)
	got := make(chan []byte)
	go func() {
		var data []byte
		for {
			m, err := c.Next(context.Background())
			if err != nil {
				got <- data
				return
			}
			if m.Event == nil {
				data = append(data, m.Payload...)
			}
			read.Add(int64(len(m.Payload)))
		}
	}()
	turns := 1
	for ; ; turns++ {
		joining := w.awaitQueued(t) // enters again after each turn, or after its socket was full
		before := joining.session.sent.Load()
		w.dequeue()
		_, current := w.serve(joining, 0, noCount, true)
		sent := joining.session.sent.Load()
		if most := int64(burstBytes + 64<<10); sent-before > most {
			t.Errorf("%d bytes in a turn, want at most %d", sent-before, most)
		}
		wait.For(t, wait.Patience, "the viewer does not get what was sent", func() bool { return read.Load() == sent })

		if current {
			break
		}
		line := []byte("live\n")
		all = append(all, line...)
		b.Write(line)
		b.Flush()
		w.pass(noCount)
		if r, err := watch.Viewer(early, len(line)); err != nil || !bytes.Equal(r.Data, line) {
			t.Fatalf("the early viewer got %q, %v", r.Data, err)
		}
	}
	if least := len(all) / (burstBytes + 64<<10); turns < least {
		t.Errorf("%d turns, want %d", turns, least)
	}
	c.Close()
	if data := <-got; !bytes.Equal(data, all) {
		t.Errorf("got %d of %d bytes, or others", len(data), len(all))
	}
}

// However long the queue is, the current viewers get a turn before its end.
func TestServeQueueYields(t *testing.T) {
	w := serve(t, broadcaster.Options{}).manualWriter()
	w.queue = slices.Repeat([]*viewer{{}}, 1<<20) // not in the pool any more
	w.serveQueue()
	if left := len(w.queue); left == 0 || left == 1<<20 {
		t.Errorf("%d viewers are left in the queue", left)
	}
	select {
	case <-w.wakeup:
	default:
		t.Error("the writer does not return to the queue")
	}
	w.queue = nil
}

// A viewer that sends many pings is in the queue once, and its writer doesn't retire meanwhile.
func TestViewerIsQueuedOnce(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	w := b.manualWriter()
	s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := w.awaitQueued(t)
	if b.hub.pool.retire(w) {
		t.Error("the writer retires though a viewer waits for it")
	}
	w.serveQueue()
	for range 2 {
		for _, payload := range []string{"a", "b", "c", "d", "last"} {
			s.Write(peer.Masked(protocol.FinBit|protocol.OpPing, payload))
		}
		s.Write(peer.Masked(protocol.FinBit|protocol.OpPong, ""))
		<-v.pong // after all pings
		if n := len(w.waiting()); n != 1 {
			t.Errorf("the viewer is in the queue %d times", n)
		}
		w.serveQueue()
		if opcode, p, err := s.Next(); opcode != protocol.OpPong || p != "last" || err != nil {
			t.Fatalf("got %x %q, %v; want the last pong", opcode, p, err)
		}
	}
}

// A viewer that is still being sent its backlog while others join is told their number after the
// backlog at the latest.
func TestQueuedViewerGetsCount(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	b.Write(numbered(2 * burstBytes))
	b.Flush()
	w := b.manualWriter()
	go watch.Viewer(b.dial("", protocol.Subprotocol), -1)
	v := w.awaitQueued(t)
	w.dequeue()
	if _, current := w.serve(v, 0, 1, true); current {
		t.Fatal("one turn is enough for the whole backlog")
	}
	b.hub.audience.add(1)
	w.pass(2)
	b.hub.audience.add(1)
	for len(w.current) == 0 {
		w.serveQueue()
	}
	if v.sentCount != 3 {
		t.Errorf("the viewer is told of %d viewers, want 3", v.sentCount)
	}
	b.hub.audience.add(-2)
}

// A viewer that sends pings while others connect and disconnect is told their number only when all
// viewers are.
func TestPingSendsNoCount(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	w := b.manualWriter()
	s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr, "Version: 13", "Version: 13\r\nSec-WebSocket-Protocol: wsrun.v1"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := w.awaitQueued(t)
	w.serveQueue()
	told := v.sentCount
	for n := told + 1; n < told+4; n++ {
		b.hub.audience.add(1)
		w.enqueue(v)
		w.serveQueue()
		if v.sentCount != told {
			t.Fatalf("the viewer is told of %d", n)
		}
	}
	w.pass(told + 3)
	if v.sentCount != told+3 {
		t.Errorf("the viewer is told of %[2]d viewers, want %[1]d", told+3, v.sentCount)
	}
	b.hub.audience.add(-3)
}
