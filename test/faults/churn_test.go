//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/server"
)

// come connects to a server, does something with it or not, and leaves.
func come(addr string, random *rand.Rand) error {
	// A source of its own now and then: ports are few.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(random.IntN(250)), byte(1+random.IntN(250)))}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if random.IntN(2) == 0 {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.SetDeadline(time.Now().Add(latest))
	switch random.IntN(4) {
	case 0:
		return nil
	case 1:
		_, err = fmt.Fprintf(conn, "GET /?tail=1&n=1 HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
	case 2:
		_, err = open(conn, addr, "?n=5", "wsrun.v1")
	case 3:
		_, err = io.WriteString(conn, upgrade(addr, "?n=5", ""))
	}
	return err
}

// churn has n viewers come and go, eight at a time.
func churn(t *testing.T, addr string, n int) {
	var all sync.WaitGroup
	seeds := random(t)
	for range 8 {
		random := rand.New(rand.NewPCG(seeds.Uint64(), 0))
		all.Go(func() {
			for range n / 8 {
				if err := come(addr, random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// Of viewers that came and went nothing is left: no descriptor, no memory.
func TestChurn(t *testing.T) {
	c := newCanary(t, song{100, 100})
	watching := len(c.viewers) - 2
	churn(t, c.addr, 1000) // pools have their sizes
	settled := func() bool { return c.watching() == watching }
	await(t, latest, "the first viewers are gone", settled)
	await(t, latest, "their descriptors are closed", func() bool { return c.descriptors() < 30 })
	descriptors, memory := c.descriptors(), c.memory()
	n := times(5000, 100_000)
	churn(t, c.addr, n)
	await(t, latest, "the viewers are gone", settled)
	await(t, latest, "their descriptors are closed", func() bool { return c.descriptors() <= descriptors+2 })
	grown := c.memory() - memory
	t.Attr("promise", "of viewers that came and went no descriptor and no memory is left")
	t.Attr("figure", fmt.Sprintf("%d viewers: %d descriptors before, %d after; RssAnon grew by %.1f MiB", n, descriptors, c.descriptors(), float64(grown)/(1<<20)))
	if grown > 8<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	c.finish()
}

// Of viewers that came and went no goroutine is left.
func TestChurnGoroutines(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := broadcaster.New(broadcaster.Options{})
	b.Write([]byte("a line\r\n"))
	srv := server.New(server.Options{Catalog: server.Single(hub.Options{Stream: b, Started: time.Now()}), Addr: l.Addr()})
	served := make(chan error, 1)
	before := runtime.NumGoroutine()
	go func() { served <- srv.Serve(l) }()
	n := times(2000, 20_000)
	churn(t, l.Addr().String(), n)
	await(t, latest, "their goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= before+1 // that serves
	})
	b.Close()
	srv.Shutdown(context.Background())
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	await(t, latest, "the server's have ended", func() bool { return runtime.NumGoroutine() <= before })
	t.Attr("promise", "of viewers that came and went no goroutine is left")
	t.Attr("figure", fmt.Sprintf("%d viewers: %d goroutines before, %d after", n, before, runtime.NumGoroutine()))
}

// Two thousand connections whose requests come a byte at a time delay nobody, and
// are cut off.
func TestSlowRequests(t *testing.T) {
	for name, slow := range map[string]string{
		"header": "GET / HTTP/1.1\r\nHost: %s\r\nX-Slow: ",
		"body":   "POST /-/login HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\ntoken=",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCanary(t, song{100, 100})
			watching := len(c.viewers) - 2
			await(t, latest, "the canary's viewers are there", func() bool { return c.watching() == watching })
			descriptors := c.descriptors()
			c.forget()
			await(t, 2*time.Second, "a while has passed", afterward(time.Second))
			quiet := c.forget()
			var conns []net.Conn
			for range 2000 {
				conn, err := net.Dial("tcp", c.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, slow, c.addr)
				conns = append(conns, conn)
			}
			await(t, 2*latest, "the slow ones are cut off", func() bool {
				for _, conn := range conns {
					conn.Write([]byte("x")) // an error is what we wait for
				}
				return c.descriptors() <= descriptors+4
			})
			loud := c.forget()
			t.Attr("promise", "slow requests delay nobody, and are cut off: a slow "+name)
			t.Attr("figure", fmt.Sprintf("%d requests: the worst delay %v before, %v meanwhile", len(conns), quiet.Round(time.Millisecond), loud.Round(time.Millisecond)))
			if loud > quiet+time.Second {
				t.Errorf("the worst delay was %v, and %v before", loud, quiet)
			}
			c.finish()
		})
	}
}

// afterward returns what is true once d has passed.
func afterward(d time.Duration) func() bool {
	at := time.Now().Add(d)
	return func() bool { return time.Now().After(at) }
}
