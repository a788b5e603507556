//go:build linux

package faults

import (
	"net"
	"sync"
	"testing"
	"time"
)

// A weather is what a proxy does to what passes it.
type weather struct {
	latency time.Duration // added to each piece
	piece   int           // bytes at a time; 0 is as they come
	rate    int           // bytes a second; 0 is no limit
}

// A proxy stands between a viewer and wsrun. It starts three goroutines for each
// connection and one that accepts, which end with the test.
type proxy struct {
	net.Listener
	to      string
	weather weather
	hole    chan struct{} // nothing passes once it is closed
	done    chan struct{}
	all     sync.WaitGroup
}

func newProxy(t *testing.T, to string, w weather) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, weather: w, hole: make(chan struct{}), done: make(chan struct{})}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		close(p.done)
		l.Close()
		p.all.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		near, err := p.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			near.Close()
			continue
		}
		gone := make(chan struct{}, 2)
		p.all.Go(func() { p.pass(near, far); gone <- struct{}{} })
		p.all.Go(func() { p.pass(far, near); gone <- struct{}{} })
		p.all.Go(func() {
			select {
			case <-gone:
			case <-p.done:
			}
			near.Close()
			far.Close()
		})
	}
}

// pass forwards what from sends until either end closes.
func (p *proxy) pass(to, from net.Conn) {
	size := p.weather.piece
	if size == 0 {
		size = 32 << 10
	}
	if p.weather.rate > 0 {
		size = max(p.weather.rate/10, 1)
	}
	for b := make([]byte, size); ; {
		n, err := from.Read(b)
		wait := p.weather.latency
		if p.weather.rate > 0 {
			wait += time.Duration(n) * time.Second / time.Duration(p.weather.rate)
		}
		if wait > 0 {
			select {
			case <-time.After(wait):
			case <-p.done:
				return
			}
		}
		select {
		case <-p.hole:
			<-p.done
			return
		default:
		}
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}
