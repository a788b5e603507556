package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/test/peer"
	"wsrun/test/wait"
)

// Few responses are worked on at a time, few wait, and fewer of one address; the others are refused.
func TestGateLimits(t *testing.T) {
	for _, tt := range []struct {
		remote  func(i int) string
		waiting int
	}{
		{func(int) string { return "192.0.2.1:1234" }, maxWaitingEach},
		{func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) }, maxWaitingEach}, // one /64
		{func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i) }, maxWaiting},
		{func(int) string { return "127.0.0.1:1" }, maxWaiting},
		{func(int) string { return "[::1]:1" }, maxWaiting},
		{func(int) string { return "@" }, maxWaiting}, // a Unix socket
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			var tasks []*task
			for range cap(g.turns) {
				task, err := g.enter(t.Context(), "198.51.100.1:1", 0)
				if err != nil {
					t.Fatal(err)
				}
				tasks = append(tasks, task)
			}
			ctx, cancel := context.WithCancel(t.Context())
			refused, ended := 0, make(chan error, 2*maxWaiting)
			for i := range 2 * maxWaiting {
				go func() {
					_, err := g.enter(ctx, tt.remote(i), 0)
					ended <- err
				}()
				synctest.Wait()
			}
			for len(ended) > 0 {
				if err := <-ended; err != errCrowded {
					t.Errorf("%s: %v", tt.remote(0), err)
				}
				refused++
			}
			if _, waiting := g.counts(); waiting != int64(tt.waiting) || refused != 2*maxWaiting-tt.waiting {
				t.Errorf("%s: %d wait, %d are refused", tt.remote(0), waiting, refused)
			}
			cancel()
			synctest.Wait()
			for range tt.waiting {
				if err := <-ended; err != context.Canceled {
					t.Errorf("after its client has left: %v", err)
				}
			}
			for _, task := range tasks {
				task.leave()
			}
			assertEmpty(t, g)
		})
	}
}

// assertEmpty checks that nothing holds any part of a gate.
func assertEmpty(t *testing.T, g *gate) {
	t.Helper()
	running, waiting := g.counts()
	if running != 0 || waiting != 0 || len(g.turns) != 0 || len(g.waiting.by)+len(g.running.by) != 0 || !g.room.TryAcquire(maxHeld) {
		t.Errorf("%d responses run, %d wait, %d turns are taken, or room is", running, waiting, len(g.turns))
	}
}

// Responses whose clients take nothing hold a limited amount of memory, and no turn.
func TestGateBoundsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var slow []*task
		for range maxHeld / leastHeld {
			task, err := g.enter(t.Context(), "127.0.0.1:1", 0)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := task.writer(httptest.NewRecorder()).Write([]byte("x")); n != 1 || err != nil || len(g.turns) != 0 {
				t.Fatalf("Write = %d, %v, with %d turns taken", n, err, len(g.turns))
			}
			slow = append(slow, task)
		}
		entered := make(chan *task, 1)
		go func() {
			task, _ := g.enter(t.Context(), "127.0.0.1:1", 10*leastHeld)
			entered <- task
		}()
		synctest.Wait()
		for i, task := range slow {
			if i < 10 && len(entered) > 0 {
				t.Fatalf("a large one was let in when %d small ones had left", i)
			}
			task.leave()
			synctest.Wait()
		}
		(<-entered).leave()
		assertEmpty(t, g)
	})
}

// A response gives up its turn while it reads a file, since the read may hang, and takes one
// afterwards. It stops when its client disconnects.
func TestTaskPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithCancel(t.Context())
		task, err := g.enter(ctx, "127.0.0.1:1", 0)
		if err != nil {
			t.Fatal(err)
		}
		read := func() error {
			if len(g.turns) != 0 {
				t.Error("it has a turn while it reads")
			}
			return errCrowded
		}
		if err := task.pace(read); err != errCrowded || !task.turn || len(g.turns) != 1 {
			t.Errorf("pace = %v, turn %v", err, task.turn)
		}
		task.rest()
		for range cap(g.turns) {
			g.turns <- struct{}{}
		}
		go func() {
			synctest.Wait()
			cancel()
		}()
		if err := task.pace(func() error { return nil }); err != context.Canceled {
			t.Errorf("without a turn and a client: %v", err)
		}
		for range cap(g.turns) {
			<-g.turns
		}
		if err := task.pace(func() error { return nil }); err != context.Canceled {
			t.Errorf("without a client: %v", err)
		}
		task.leave()
		assertEmpty(t, g)
	})
}

// A WebSocket that ends on its own holds no turn while it waits for its client to close it.
func TestNoTurnWhileClosing(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	c := b.connect()
	io.WriteString(c, peer.Upgrade(b.addr, "GET / ", "GET "+dir+"/a.log?n=0 "))
	wait.For(t, wait.Patience, "the response holds a turn to its end", func() bool {
		running, _ := b.srv.gate.counts()
		return running == 1 && len(b.srv.gate.turns) == 0
	})
}

// A client that has closed its side counts as gone. What it gets must not look like a whole response.
func TestHalfClosedClients(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	text := strings.Repeat("a line\n", 100_000)
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", dir + "/a.log?n=all", dir + "/a.log?n=all&grep=a", dir + "/a.log?n=2"} {
		_, want := b.get(path)
		for _, version := range []string{"1.0", "1.1"} {
			for range 20 {
				c := b.connect().(*net.TCPConn)
				fmt.Fprintf(c, "GET %s HTTP/%s\r\nHost: %s\r\n\r\n", path, version, b.addr)
				c.CloseWrite()
				c.SetReadDeadline(time.Now().Add(wait.Patience))
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					continue
				}
				body, err := io.ReadAll(resp.Body)
				whole := resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 // otherwise its length is unknown
				if err == nil && whole && (resp.StatusCode != 200 || string(body) != want) {
					t.Fatalf("%s, HTTP/%s: %s, %d bytes", path, version, resp.Status, len(body))
				}
			}
		}
	}
}

// A client on another machine has a quarter of the responses in progress, and waiting ends.
func TestGateIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var tasks []*task
		enter := func(remote string) error {
			task, err := g.enter(t.Context(), remote, 0)
			if err == nil {
				task.rest()
				tasks = append(tasks, task)
			}
			return err
		}
		for i := range 2 * maxRunningEach {
			if err := enter("192.0.2.1:1"); (err == nil) != (i < maxRunningEach) {
				t.Errorf("response %d of one client: %v", i, err)
			}
		}
		for len(tasks) < maxHeld/leastHeld {
			if err := enter("127.0.0.1:1"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := enter("192.0.2.2:1"); err != errCrowded || time.Since(began) != waitTime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for _, task := range tasks {
			task.leave()
		}
		assertEmpty(t, g)
	})
}
