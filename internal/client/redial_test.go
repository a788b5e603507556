package client_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// However often it is cut off, and wherever, a viewer gets each byte once.
func TestRedialResumes(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		s := n.serve(broadcaster.Options{Lines: 1 << 20})
		v := n.dial("", client.Options{})
		var all bytes.Buffer
		var writing sync.WaitGroup
		writing.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for line := range 3000 {
				p := fmt.Appendf(nil, "%d %0*d\n", line, r.IntN(500), 0)
				all.Write(p)
				s.Write(p)
				time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
			}
			s.end(0)
		})
		var got []byte
		cuts := 0
		var err error
		for r := rand.New(rand.NewPCG(3, 4)); ; {
			for range r.IntN(60) {
				var m client.Message
				if m, err = v.Next(t.Context()); err != nil {
					break
				}
				if e, ok := m.Event.(protocol.HelloEvent); ok && (e.Resumed != (cuts > 0) || e.Offset != int64(len(got))) {
					t.Fatalf("after %d cuts, at %d: %+v", cuts, len(got), e)
				}
				if m.Event == nil {
					got = append(got, m.Payload...)
				}
				if p := v.Position(); p.Offset != int64(len(got)) || p.Line != int64(bytes.Count(got, []byte("\n"))+1) {
					t.Fatalf("the position is %+v, want %d", p, len(got))
				}
			}
			if err != nil {
				break
			}
			(<-n.conns).Close()
			cuts++
			if err := v.Redial(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		writing.Wait()
		if client.CloseCode(err) != protocol.CloseEnded || !bytes.Equal(got, all.Bytes()) || cuts < 10 {
			t.Errorf("got %d of %d bytes, or others, after %d cuts, and %v", len(got), all.Len(), cuts, err)
		}
	})
}

// Another run is not resumed, and its hello says so.
func TestRedialToAnotherRun(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		first := n.serve(broadcaster.Options{})
		first.Write([]byte("one\n"))
		v := n.dial("", client.Options{})
		hello(t, v)
		output(t, v, "one\n")
		first.Close() // 1001
		rest(v)
		second := n.serve(broadcaster.Options{})
		second.Write([]byte("two\nthree\n"))
		if err := v.Redial(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := v.Position(); p.Epoch != first.Epoch() || p.Offset != 4 {
			t.Errorf("before the hello the position is %+v", p)
		}
		if h := hello(t, v); h.Resumed || h.Epoch != second.Epoch() || h.Offset != 0 {
			t.Errorf("hello = %+v", h)
		}
		output(t, v, "two\nthree\n")
		if p, want := v.Position(), (client.Position{Epoch: second.Epoch(), Offset: 10, Line: 3}); p != want {
			t.Errorf("the position is %+v, want %+v", p, want)
		}
	})
}

// Tries that get no hello are ever further apart, up to 30 s.
func TestRedialBacksOff(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		s := n.serve(broadcaster.Options{})
		v := n.dial("", client.Options{})
		hello(t, v)
		(<-n.conns).Close()
		const tries = 12
		var waits []time.Duration
		last, done := time.Now(), make(chan struct{})
		n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			waits = append(waits, time.Since(last))
			last = time.Now()
			switch {
			case len(waits) == tries:
				s.ServeHTTP(w, r)
			case len(waits)%2 == 0: // as 1013 does
				c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol.Subprotocol}})
				if err != nil {
					t.Error(err)
					return
				}
				c.Close(protocol.CloseFull, "full")
			default:
				http.Error(w, "starting", http.StatusBadGateway)
			}
		}))
		go func() {
			defer close(done)
			for {
				if err := v.Redial(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if _, err := v.Next(t.Context()); err == nil {
					return
				}
			}
		}()
		<-done
		for i, wait := range waits {
			most := min(30*time.Second, time.Second<<i)
			if wait < 500*time.Millisecond || wait > most {
				t.Errorf("it waited %v before try %d; want 0.5 s to %v", wait, i, most)
			}
		}
		if sum := last.Sub(last.Add(-waits[tries-1])); len(waits) != tries || sum == waits[0] {
			t.Errorf("it waited %v", waits)
		}
		// A hello begins anew.
		n.handle(s)
		for len(n.conns) > 1 {
			<-n.conns
		}
		(<-n.conns).Close()
		begin := time.Now()
		if err := v.Redial(t.Context()); err != nil {
			t.Fatal(err)
		}
		if wait := time.Since(begin); wait > time.Second {
			t.Errorf("after a hello it waited %v", wait)
		}
	})
}

// A server that says when to ask again is asked then.
func TestRedialWaitsAsAsked(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		s := n.serve(broadcaster.Options{})
		v := n.dial("", client.Options{})
		hello(t, v)
		tries := 0
		n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries > 1 {
				s.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Retry-After", "100")
			http.Error(w, "full", http.StatusServiceUnavailable)
		}))
		begin := time.Now()
		if err := v.Redial(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin).Truncate(time.Second); took != 100*time.Second {
			t.Errorf("it came again after %v", took)
		}
	})
}

// Redial ends with its context, by Close, and where it can't get any further.
func TestRedialEnds(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		n.serve(broadcaster.Options{})
		refuse := func(status int) {
			n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		}
		dial := func() *client.Viewer {
			v := n.dial("", client.Options{})
			hello(t, v)
			return v
		}
		first, second, third := dial(), dial(), (*client.Viewer)(nil)
		refuse(http.StatusBadGateway)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := first.Redial(ctx); err != context.DeadlineExceeded {
			t.Errorf("its time is up: %v", err)
		}
		time.AfterFunc(time.Hour, second.Close)
		if err := second.Redial(t.Context()); err != net.ErrClosed {
			t.Errorf("closed: %v", err)
		}
		n.serve(broadcaster.Options{})
		third = dial()
		refuse(http.StatusUnauthorized)
		err := third.Redial(t.Context())
		if want := (client.RefusedError{Status: 401}); err != want {
			t.Errorf("refused: %v", err)
		}
		if _, again := third.Next(t.Context()); again != err {
			t.Errorf("then Next = %v", again)
		}
	})
	inTime(t, func(t *testing.T, n *network) { // while it waits for an answer
		n.serve(broadcaster.Options{})
		v := n.dial("", client.Options{})
		hello(t, v)
		n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := v.Redial(ctx); err != context.DeadlineExceeded {
			t.Errorf("its time is up: %v", err)
		}
		begin := time.Now()
		_, err := client.Dial(t.Context(), n.url, client.Options{HTTPClient: n.http})
		if took := time.Since(begin); err == nil || took != 30*time.Second || client.Final(err) {
			t.Errorf("without an answer: %v after %v", err, took)
		}
	})
}
