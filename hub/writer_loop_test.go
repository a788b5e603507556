package hub

import (
	"runtime"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/watch"
)

// While other writers have all turns to make a pass, the writers of a large pool send backlogs, but
// no live output.
func TestLargePoolPassesInTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	b := serve(t, broadcaster.Options{})
	b.hub.audience.add(maxParallelViewers)
	defer b.hub.audience.add(-maxParallelViewers)
	var early []*client.Viewer
	for range 4 {
		early = append(early, b.dial("?n=0", protocol.Subprotocol))
	}
	b.awaitAdded(len(early))
	if _, n := b.added(); n != 2 {
		t.Fatalf("%d writers, want 2", n)
	}
	b.Write([]byte("one\n"))
	for _, c := range early {
		gets(t, c, "one\n")
	}
	passes := b.hub.pool.passTurns
	for _, tokens := range []chan struct{}{b.hub.pool.queueTurns, passes} {
		for range cap(tokens) {
			tokens <- struct{}{}
		}
	}
	for range cap(b.hub.pool.queueTurns) { // by now, all writers have served the early viewers
		<-b.hub.pool.queueTurns
	}
	before := b.sentBytes()
	b.Write([]byte("two\n"))
	b.Flush()
	for range 2 { // one for each writer
		late := b.dial("", protocol.Subprotocol)
		gets(t, late, "one\ntwo\n")
		late.Close()
	}
	b.awaitSlots(len(early))
	time.Sleep(pingCheck + countDelay) // time for pings, and for the number of viewers
	if sent := b.sentBytes() - before; sent > 0 {
		t.Errorf("%d bytes were sent", sent)
	}
	b.end(0)
	for range cap(passes) {
		<-passes
	}
	for _, c := range early {
		if r, err := watch.Viewer(c, -1); err != nil || string(r.Data) != "two\n" || r.Code != protocol.CloseEnded {
			t.Errorf("in the end %q, %v, %v", r.Data, r.Code, err)
		}
	}
}

// The writers of a large pool rest between passes that only send output: 25,000 viewers get output
// every 300 ms.
func TestLargePoolRestsBetweenPasses(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.hub.audience.add(25_000)
	defer b.hub.audience.add(-25_000)
	c := b.dial("?n=0", protocol.Subprotocol)
	b.awaitAdded(1)
	began := time.Now()
	for range 7 {
		b.Write([]byte("line\n"))
		gets(t, c, "line\n")
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("7 lines took %v", took)
	}
}

// While other writers have all turns to serve their queues, a writer sends live output, but no
// backlog.
func TestQueuesAreServedInTurns(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Write([]byte("one\n"))
	early := b.dial("?n=0", protocol.Subprotocol)
	b.awaitAdded(1)
	b.Write([]byte("two\n"))
	gets(t, early, "two\n")
	turns := b.hub.pool.queueTurns
	for range cap(turns) {
		turns <- struct{}{}
	}
	late := b.dial("", protocol.Subprotocol)
	b.awaitAdded(2)
	b.Write([]byte("three\n"))
	gets(t, early, "three\n")
	w := b.hub.pool.writers[0]
	if n := len(w.waiting()); n != 1 {
		t.Fatalf("%d viewers wait for their backlog, want 1", n)
	}
	for range cap(turns) {
		<-turns
	}
	gets(t, late, "one\ntwo\nthree\n")
}
