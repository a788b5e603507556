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

// connectAndLeave connects to a server, perhaps sends a request or follows for a moment, and
// disconnects.
func connectAndLeave(addr string, random *rand.Rand) error {
	// There are too few ports for all connections from a single address.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(random.IntN(250)), byte(1+random.IntN(250)))}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if random.IntN(2) == 0 {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.SetDeadline(time.Now().Add(maxDelay))
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

// churn makes n viewers connect and disconnect, eight at a time.
func churn(t *testing.T, addr string, n int) {
	var all sync.WaitGroup
	seeds := random(t)
	for range 8 {
		random := rand.New(rand.NewPCG(seeds.Uint64(), 0))
		all.Go(func() {
			for range n / 8 {
				if err := connectAndLeave(addr, random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestChurn checks that viewers that have disconnected leave no file descriptors and no memory
// behind.
func TestChurn(t *testing.T) {
	c := newCanary(t, load{100, 100})
	watching := len(c.viewers) - 2
	churn(t, c.addr, 1000) // lets pools reach their size
	settled := func() bool { return c.watching() == watching }
	await(t, maxDelay, "the first viewers are gone", settled)
	await(t, maxDelay, "their descriptors are closed", func() bool { return c.descriptors() < 30 })
	descriptors, memory := c.descriptors(), c.memory()
	n := iterations(5000, 100_000)
	churn(t, c.addr, n)
	await(t, maxDelay, "the viewers are gone", settled)
	await(t, maxDelay, "their descriptors are closed", func() bool { return c.descriptors() <= descriptors+2 })
	grown := c.memory() - memory
	t.Attr("promise", "of viewers that came and went no descriptor and no memory is left")
	t.Attr("figure", fmt.Sprintf("%d viewers: %d descriptors before, %d after; RssAnon grew by %.1f MiB", n, descriptors,
		c.descriptors(), float64(grown)/(1<<20)))
	if grown > 8<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	c.finish()
}

// TestChurnGoroutines checks that viewers that have disconnected leave no goroutines behind.
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
	n := iterations(2000, 20_000)
	churn(t, l.Addr().String(), n)
	await(t, maxDelay, "their goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= before+1 // the one that serves
	})
	b.Close()
	srv.Shutdown(context.Background())
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	await(t, maxDelay, "the server's have ended", func() bool { return runtime.NumGoroutine() <= before })
	t.Attr("promise", "of viewers that came and went no goroutine is left")
	t.Attr("figure", fmt.Sprintf("%d viewers: %d goroutines before, %d after", n, before, runtime.NumGoroutine()))
}

// TestSlowRequests checks that 2,000 connections that send their requests byte by byte delay no
// viewer, and are cut off.
func TestSlowRequests(t *testing.T) {
	for name, slow := range map[string]string{
		"header": "GET / HTTP/1.1\r\nHost: %s\r\nX-Slow: ",
		"body":   "POST /-/login HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\ntoken=",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCanary(t, load{100, 100})
			watching := len(c.viewers) - 2
			await(t, maxDelay, "the canary's viewers are there", func() bool { return c.watching() == watching })
			descriptors := c.descriptors()
			c.forget()
			await(t, 2*time.Second, "a while has passed", elapsed(time.Second))
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
			await(t, 2*maxDelay, "the slow ones are cut off", func() bool {
				for _, conn := range conns {
					conn.Write([]byte("x")) // fails once the connection is cut off
				}
				return c.descriptors() <= descriptors+4
			})
			loud := c.forget()
			t.Attr("promise", "slow requests delay nobody, and are cut off: a slow "+name)
			t.Attr("figure", fmt.Sprintf("%d requests: the worst delay %v before, %v meanwhile", len(conns),
				quiet.Round(time.Millisecond), loud.Round(time.Millisecond)))
			if loud > quiet+time.Second {
				t.Errorf("the worst delay was %v, and %v before", loud, quiet)
			}
			c.finish()
		})
	}
}

// elapsed returns a function that reports whether d has passed since the call of elapsed.
func elapsed(d time.Duration) func() bool {
	at := time.Now().Add(d)
	return func() bool { return time.Now().After(at) }
}
