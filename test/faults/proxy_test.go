//go:build linux

package faults

import (
	"net"
	"sync"
	"testing"
	"time"
)

// An impairment is what a proxy does to the data that it forwards.
type impairment struct {
	latency time.Duration // added to each piece
	piece   int           // maximum number of bytes forwarded at a time; 0 means no limit
	rate    int           // bytes per second; 0 means no limit
}

// A proxy is a bad network between a viewer and wsrun. It starts a goroutine that accepts, and
// three for each connection. All end with the test, which waits for them.
type proxy struct {
	net.Listener
	to         string
	impairment impairment
	hole       chan struct{} // if closed, the proxy swallows everything
	done       chan struct{} // closed at the end of the test
	all        sync.WaitGroup
}

// newProxy starts a proxy that forwards to an address.
func newProxy(t *testing.T, to string, imp impairment) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, impairment: imp, hole: make(chan struct{}), done: make(chan struct{})}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		close(p.done)
		l.Close()
		p.all.Wait()
	})
	return p
}

// accept forwards connections until the test ends.
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

// pass forwards data until either end closes its connection.
func (p *proxy) pass(to, from net.Conn) {
	size := p.impairment.piece
	if size == 0 {
		size = 32 << 10
	}
	if p.impairment.rate > 0 {
		size = max(p.impairment.rate/10, 1)
	}
	for b := make([]byte, size); ; {
		n, err := from.Read(b)
		wait := p.impairment.latency
		if p.impairment.rate > 0 {
			wait += time.Duration(n) * time.Second / time.Duration(p.impairment.rate)
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
