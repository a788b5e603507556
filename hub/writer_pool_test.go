package hub

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
)

// Viewers of every speed, of which some read nothing for a while, go into the crowd and
// out of it, and get what was written. While all have all, they cost one goroutine each.
func TestViewersOfEverySpeed(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20, Bytes: 64 << 20})
	const viewers = 30
	before := runtime.NumGoroutine()
	var conns []*client.Viewer
	for range viewers {
		conns = append(conns, b.dialNarrow())
	}
	wait.For(t, wait.Patience, "they cost more than a goroutine on each side", func() bool {
		return runtime.NumGoroutine() <= before+2*viewers+runtime.GOMAXPROCS(0)+2
	})
	type result struct {
		data []byte
		code int
	}
	results := make(chan result)
	halfway := make(chan struct{})
	for i, c := range conns {
		if i%2 > 0 {
			go func() { // its pings are answered in between
				for c.Ping(context.Background()) == nil {
					time.Sleep(time.Millisecond)
				}
			}()
		}
		go func() {
			var data []byte
			for reads := 0; ; reads++ {
				m, err := c.Next(context.Background())
				if err != nil {
					results <- result{data, client.CloseCode(err)}
					return
				}
				if m.Event == nil {
					data = append(data, m.Payload...)
				}
				if i%3 > 0 && reads == 7 {
					<-halfway // more than the sockets hold
				}
				if i%3 > 1 && reads%20 == 19 {
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			}
		}()
	}
	r := rand.New(rand.NewPCG(7, 8))
	var all bytes.Buffer
	for all.Len() < 4<<20 {
		p := make([]byte, r.IntN(60_000))
		for i := range p {
			p[i] = byte('a' + r.IntN(26))
		}
		all.Write(p)
		b.Write(p)
		if all.Len() > 2<<20 && all.Len()-len(p) <= 2<<20 {
			close(halfway)
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	b.end(0)
	for range conns {
		if got := <-results; !bytes.Equal(got.data, all.Bytes()) || got.code != protocol.CloseEnded {
			t.Errorf("got %d of %d bytes, or others, and %v", len(got.data), all.Len(), got.code)
		}
	}
	if entered, _ := b.entered(); entered < viewers+10 {
		t.Errorf("%d times a viewer went into the crowd, want some of %d to go out and in again", entered, viewers)
	}
}

// byHand gives the crowd its walker, for the test to do by turns what run does. It runs
// by itself once the test has ended, so that the viewers can leave.
func (b *fixture) byHand() *writer {
	c := b.hub.pool
	w := &writer{pool: c, wakeup: make(chan struct{}, 1)}
	c.writers = append(c.writers, w)
	b.t.Cleanup(func() { c.running.Go(w.run) })
	return w
}

// awaitEntry returns the viewer that comes into the empty queue.
func (w *writer) awaitEntry(t *testing.T) *viewer {
	t.Helper()
	wait.For(t, wait.Patience, "nobody goes into the crowd", func() bool { return len(w.waiting()) > 0 })
	return w.waiting()[0]
}

// entered returns how many times a viewer went into the crowd, and how many walkers
// there are.
func (b *fixture) entered() (times, walkers int) {
	c := b.hub.pool
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.added, len(c.writers)
}

// awaitEntered waits until viewers went into the crowd so many times.
func (b *fixture) awaitEntered(t *testing.T, want int) {
	t.Helper()
	wait.For(t, wait.Patience, "not all are in the crowd", func() bool {
		times, _ := b.entered()
		return times >= want
	})
}

// numbered returns lines that differ, of about so many bytes.
func numbered(size int) (all []byte) {
	for rest := strings.Repeat("x", 990); len(all) < size; {
		all = fmt.Appendf(all, "%d %s\n", len(all), rest)
	}
	return all
}

// Others get all that is written while a viewer reads nothing, which gets it later.
func TestAStuckViewerDelaysNobody(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	const others = 3
	conns := []*client.Viewer{b.dialNarrow()}
	for range others {
		conns = append(conns, b.dial("", protocol.Subprotocol))
	}
	b.awaitEntered(t, len(conns))
	all := numbered(3 << 20) // more than the sockets hold
	gets := func(who string, c *client.Viewer) {
		if r, err := watch(c, len(all)); err != nil || !bytes.Equal(r.data, all) || len(r.events) > 0 {
			t.Errorf("%s: %d of %d bytes, or others, %q, %v", who, len(r.data), len(all), r.events, err)
		}
	}
	done := make(chan struct{})
	for _, c := range conns[1:] {
		go func() {
			gets("another", c)
			done <- struct{}{}
		}()
	}
	for p := range slices.Chunk(all, 40_000) {
		b.Write(p)
	}
	for range others {
		<-done
	}
	gets("the stuck one", conns[0])
}

// A viewer that has much to get is given a part of it at a time, and who has all gets
// what is new in between.
func TestALateViewerTakesTurns(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	all := numbered(3 << 20)
	b.Write(all)
	b.Flush()
	w := b.byHand()
	early := b.dial("?n=0", protocol.Subprotocol)
	w.awaitEntry(t)
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
		late := w.awaitEntry(t) // again, if it was too slow
		before := late.session.sent.Load()
		w.dequeue()
		_, has := w.serve(late, time.Now(), noCount, true)
		sent := late.session.sent.Load()
		if most := int64(burstBytes + 64<<10); sent-before > most {
			t.Errorf("%d bytes in a turn, want %d at the most", sent-before, most)
		}
		wait.For(t, wait.Patience, "it does not get what was sent", func() bool { return read.Load() == sent })

		if has {
			break
		}
		line := []byte("live\n")
		all = append(all, line...)
		b.Write(line)
		b.Flush()
		w.pass(noCount)
		if r, err := watch(early, len(line)); err != nil || !bytes.Equal(r.data, line) {
			t.Fatalf("who had all got %q, %v", r.data, err)
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

// However many are in the queue, who has all is seen to before its end.
func TestAQueueIsLeftForLater(t *testing.T) {
	w := serve(t, broadcaster.Options{}).byHand()
	w.queue = slices.Repeat([]*viewer{{}}, 1<<20) // who have left the crowd
	w.serveQueue()
	if left := len(w.queue); left == 0 || left == 1<<20 {
		t.Errorf("%d are left", left)
	}
	select {
	case <-w.wakeup:
	default:
		t.Error("they are forgotten")
	}
	w.queue = nil
}

// A viewer that fell out of the ring is told so once, whatever comes later, and goes
// back into the crowd.
func TestOneGapInTheCrowd(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20, Bytes: 4 << 20})
	c := b.dialNarrow()
	b.hello(c)
	b.awaitEntered(t, 1)
	var all []byte
	write := func(size int) {
		p := numbered(size)
		all = append(all, p...)
		b.Write(p)
		b.Flush()
	}
	at, resets := int64(0), 0
	read := func() {
		for at < int64(len(all)) {
			m, err := c.Next(t.Context())
			if err != nil {
				t.Fatalf("at %d of %d, after %d gaps: %v", at, len(all), resets, err)
			}
			if m.Event != nil {
				if e, ok := m.Event.(protocol.ResetEvent); ok {
					if e.SkippedBytes != e.Offset-at {
						t.Fatalf("it is told that %d bytes from %d to %d are missing", e.SkippedBytes, at, e.Offset)
					}
					at = e.Offset
					if resets++; resets > 1 {
						t.Fatal("it is told of another gap")
					}
				}
				continue
			}
			end := at + int64(len(m.Payload))
			if end > int64(len(all)) || !bytes.Equal(m.Payload, all[at:end]) {
				t.Fatalf("other bytes at %d, after %d gaps", at, resets)
			}
			at = end
		}
	}
	write(12 << 20) // more than the sockets hold, and the ring, and its grace
	read()
	if resets == 0 {
		t.Fatal("it is told of no gap")
	}
	b.awaitEntered(t, 3) // it was stuck, and then at a gap
	times, _ := b.entered()
	write(3 << 20) // stuck once more, without a gap
	read()
	b.awaitEntered(t, times+1)
	write(1 << 10)
	read()
}

// When all viewers have left, so does their walker; the next viewer is given another.
func TestAWalkerGoes(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	const viewers = 3
	for round := 1; ; round++ {
		var conns []*client.Viewer
		for range viewers {
			conns = append(conns, b.dial("?n=0", protocol.Subprotocol))
		}
		b.awaitEntered(t, round*viewers)
		line := fmt.Sprintf("round %d\n", round)
		b.Write([]byte(line))
		for _, c := range conns {
			tooLong := time.AfterFunc(wait.Patience, func() { c.Close() })
			if r, err := watch(c, len(line)); err != nil || string(r.data) != line {
				t.Fatalf("in round %d a viewer got %q, %v", round, r.data, err)
			}
			tooLong.Stop()
			c.Close()
		}
		if round == 2 {
			return
		}
		b.awaitSlots(0)
		b.Write([]byte(line)) // by which it sees that they have left
		wait.For(t, wait.Patience, "the walker stays", func() bool {
			_, walkers := b.entered()
			return walkers == 0
		})
		b.hub.pool.running.Wait()
	}
}

// A viewer that asks many times is in the queue once, and for that its walker stays.
func TestACallIsQueuedOnce(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	w := b.byHand()
	s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := w.awaitEntry(t)
	if b.hub.pool.retire(w) {
		t.Error("the walker goes though one waits for it")
	}
	w.serveQueue()
	for range 2 {
		for _, payload := range []string{"a", "b", "c", "d", "last"} {
			s.Write(peer.Masked(protocol.FinBit|protocol.OpPing, payload))
		}
		s.Write(peer.Masked(protocol.FinBit|protocol.OpPong, ""))
		<-v.pong // so all were read
		if n := len(w.waiting()); n != 1 {
			t.Errorf("it is in the queue %d times", n)
		}
		w.serveQueue()
		if opcode, p, err := s.Next(); opcode != protocol.OpPong || p != "last" || err != nil {
			t.Fatalf("got %x %q, %v; want the last pong", opcode, p, err)
		}
	}
}

// A viewer is in its walker's queue before it may go to another walker: in the queue of
// the former nobody would see to it.
func TestACallMeetsItsWalker(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	w := b.byHand()
	b.dial("?n=0", protocol.Subprotocol)
	v := w.awaitEntry(t)
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
		t.Fatal("it may go while it is called")
	}
	wait.For(t, wait.Patience, "it is not in the queue", func() bool { return len(w.waiting()) == 1 })
}

// A place in the queue of a walker that it had before means nothing.
func TestAPlaceLeftBehind(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	before := b.byHand()
	b.dial("?n=0", protocol.Subprotocol)
	v := before.awaitEntry(t)
	before.serveQueue()
	v.enqueue()
	v.member.leave()
	now := b.byHand()
	slices.Reverse(b.hub.pool.writers)
	b.hub.pool.assign(v)
	before.serveQueue()
	before.pass(noCount)
	v.enqueue()
	if len(before.current) > 0 || len(before.waiting()) > 0 || len(now.waiting()) != 1 {
		t.Errorf("its former walker has it %d and %d times, its walker %d times; want 0, 0, 1", len(before.current), len(before.waiting()), len(now.waiting()))
	}
	if now.serveQueue(); len(now.current) != 1 {
		t.Errorf("its walker has it %d times, want 1", len(now.current))
	}
}

func TestWalkersFor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct{ processors, viewers, want int }{
		{1, 1, 1}, {1, 10_000, 1},
		{2, 1, 1}, {2, 249, 1}, {2, 250, 2}, {2, 10_000, 2},
		{8, 1, 1}, {8, 1000, 5}, {8, 10_000, 8},
	} {
		runtime.GOMAXPROCS(c.processors)
		if got := writersFor(c.viewers); got != c.want {
			t.Errorf("%d viewers, %d processors: %d walkers, want %d", c.viewers, c.processors, got, c.want)
		}
	}
}

// sent returns how many bytes all viewers were sent.
func (b *fixture) sent() (n int64) {
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	for v := range b.sessions.open {
		n += v.sent.Load()
	}
	return n
}

// gets reads so much from a viewer.
func gets(t *testing.T, c *client.Viewer, want string) {
	t.Helper()
	if r, err := watch(c, len(want)); err != nil || string(r.data) != want {
		t.Fatalf("got %q, %v; want %q", r.data, err, want)
	}
}

// While others have all turns a walker sends no backlog, but what is new.
func TestAnswersWaitForATurn(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.Write([]byte("one\n"))
	early := b.dial("?n=0", protocol.Subprotocol)
	b.awaitEntered(t, 1)
	b.Write([]byte("two\n"))
	gets(t, early, "two\n")
	answers := b.hub.pool.queueTurns
	for range cap(answers) {
		answers <- struct{}{}
	}
	late := b.dial("", protocol.Subprotocol)
	b.awaitEntered(t, 2)
	b.Write([]byte("three\n"))
	gets(t, early, "three\n")
	w := b.hub.pool.writers[0]
	if n := len(w.waiting()); n != 1 {
		t.Fatalf("%d wait for their backlog, want 1", n)
	}
	for range cap(answers) {
		<-answers
	}
	gets(t, late, "one\ntwo\nthree\n")
}

// While others have all turns the walkers of a large crowd send backlogs, but nothing
// that is new.
func TestWalksOfManyWaitForATurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	b := serve(t, broadcaster.Options{})
	b.hub.audience.add(stepViewers)
	defer b.hub.audience.add(-stepViewers)
	var early []*client.Viewer
	for range 4 {
		early = append(early, b.dial("?n=0", protocol.Subprotocol))
	}
	b.awaitEntered(t, len(early))
	if _, n := b.entered(); n != 2 {
		t.Fatalf("%d walkers, want 2", n)
	}
	b.Write([]byte("one\n"))
	for _, c := range early {
		gets(t, c, "one\n")
	}
	walks := b.hub.pool.passTurns
	for _, tokens := range []chan struct{}{b.hub.pool.queueTurns, walks} {
		for range cap(tokens) {
			tokens <- struct{}{}
		}
	}
	for range cap(b.hub.pool.queueTurns) { // by now all answers to the early ones are over
		<-b.hub.pool.queueTurns
	}
	before := b.sent()
	b.Write([]byte("two\n"))
	b.Flush()
	for range 2 { // one of each walker
		late := b.dial("", protocol.Subprotocol)
		gets(t, late, "one\ntwo\n")
		late.Close()
	}
	b.awaitSlots(len(early))
	time.Sleep(pingCheck + countDelay) // in which others are looked at for their pings, and told how many they are
	if sent := b.sent() - before; sent > 0 {
		t.Errorf("%d bytes were sent", sent)
	}
	b.end(0)
	for range cap(walks) {
		<-walks
	}
	for _, c := range early {
		if r, err := watch(c, -1); err != nil || string(r.data) != "two\n" || r.code != protocol.CloseEnded {
			t.Errorf("in the end %q, %v, %v", r.data, r.code, err)
		}
	}
}

// A viewer that leaves while its output is stuck within a frame gets that whole, and
// a close frame behind it.
func TestAStuckViewerLeaves(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	w := b.byHand()
	s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Conn.(*net.TCPConn).SetReadBuffer(128 << 10)
	v := w.awaitEntry(t)
	closing, called := v.wire.closing, make(chan struct{})
	v.wire.closing = func() {
		closing()
		close(called)
	}
	b.Write(numbered(6 << 20)) // more than the sockets hold
	b.Flush()
	looks := 0 // one behind the other at which it was being written to
	wait.For(t, wait.Patience, "it is not stuck", func() bool {
		w.serveQueue()
		if looks++; v.wire.mu.TryLock() {
			v.wire.mu.Unlock()
			looks = 0
		}
		return looks == 20
	})
	s.Write(peer.Masked(protocol.FinBit|protocol.OpClose, peer.StatusBytes(1000)))
	<-called
	before, _ := b.entered()
	if end, err := s.End(); end != "1000" || err != nil {
		t.Errorf("ended with %s, %v", end, err)
	}
	b.awaitSlots(0)
	if times, _ := b.entered(); times != before {
		t.Error("it went into the crowd on its way out")
	}
}

// The walkers of a large crowd rest between walks, unless there is more to do than to send
// output: 25,000 viewers get some every 300 ms.
func TestWalksOfManyAreFew(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	b.hub.audience.add(25_000)
	defer b.hub.audience.add(-25_000)
	c := b.dial("?n=0", protocol.Subprotocol)
	b.awaitEntered(t, 1)
	began := time.Now()
	for range 7 {
		b.Write([]byte("line\n"))
		gets(t, c, "line\n")
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("7 lines took %v", took)
	}
}

// Who is still sent a backlog while others come is told so after it at the latest.
func TestTheQueueIsTold(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 1 << 20})
	b.Write(numbered(2 * burstBytes))
	b.Flush()
	w := b.byHand()
	go watch(b.dial("", protocol.Subprotocol), -1)
	v := w.awaitEntry(t)
	w.dequeue()
	if _, has := w.serve(v, time.Now(), 1, true); has {
		t.Fatal("it has all by one turn")
	}
	b.hub.audience.add(1)
	w.pass(2)
	b.hub.audience.add(1)
	for len(w.current) == 0 {
		w.serveQueue()
	}
	if v.sentCount != 3 {
		t.Errorf("it is told of %d viewers, want 3", v.sentCount)
	}
	b.hub.audience.add(-2)
}

// Who asks for something while others come and go is told how many there are only when
// all are.
func TestAskingTellsNoViewers(t *testing.T) {
	b := serve(t, broadcaster.Options{})
	w := b.byHand()
	s, _, err := peer.RawDial(b.addr, peer.Upgrade(b.addr, "Version: 13", "Version: 13\r\nSec-WebSocket-Protocol: wsrun.v1"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := w.awaitEntry(t)
	w.serveQueue()
	told := v.sentCount
	for n := told + 1; n < told+4; n++ {
		b.hub.audience.add(1)
		w.enqueue(v)
		w.serveQueue()
		if v.sentCount != told {
			t.Fatalf("it is told of %d", n)
		}
	}
	w.pass(told + 3)
	if v.sentCount != told+3 {
		t.Errorf("it is not told of %d, but of %d", told+3, v.sentCount)
	}
	b.hub.audience.add(-3)
}

// TestAStalledViewer reads nothing: it alone is dropped, with 4008, and the
// others go on.
func TestAStalledViewer(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for stallTime")
	}
	t.Parallel()
	b := serve(t, broadcaster.Options{})
	stalled := b.dialNarrow()
	good := b.dial("", "wsrun.v1")
	const total = 64 << 20
	done := make(chan error, 1)
	go func() {
		r, err := watch(good, -1)
		if err == nil && len(r.data) != total && !strings.Contains(fmt.Sprint(r.events), "reset") {
			err = fmt.Errorf("%d bytes, %q", len(r.data), r.events)
		}
		done <- err
	}()
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range total / len(line) {
		b.Write(line)
	}
	deadline := time.Now().Add(stallTime + giveUpTime + 5*time.Second)
	for viewers := 2; viewers > 1; {
		if time.Now().After(deadline) {
			t.Fatal("the stalled viewer is still there")
		}
		var changed <-chan struct{}
		if viewers, changed = b.hub.audience.count(); viewers > 1 {
			select {
			case <-changed:
			case <-time.After(time.Until(deadline)):
			}
		}
	}
	b.end(0)
	if err := <-done; err != nil {
		t.Errorf("the other: %v", err)
	}
	stalled.Close()
}
