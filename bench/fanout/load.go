//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"wsrun/internal/rawsys"
)

const (
	readBytes = 64 << 10 // of the buffer that all viewers share
	maxEvents = 1024     // taken from epoll at a time

	// tick is how soon the loop sees that it must stop.
	tick = 20 * time.Millisecond

	// smallBuffer is the receive buffer of a viewer that reads nothing, in bytes, so that
	// what it leaves stays with the server.
	smallBuffer = 4 << 10

	// connecting is how many handshakes are under way at a time: fewer than a listener's
	// queue holds.
	connecting = 500

	// sampled is how many viewers have every line checked.
	sampled = 50
)

// A loadPlan says which viewers there are.
type loadPlan struct {
	addr    string
	form    form
	viewers int
	sampled int   // of those that read, spread over the order of connection
	stopped int   // read nothing behind the handshake, spread likewise
	atOnce  bool  // all ask before any is waited for
	midway  bool  // the backlog may begin with any line
	deflate bool  // ask for permessage-deflate
	texts   texts // of the lines
	timed   int   // number of the first line whose delay counts
	want    int   // lines after which a viewer has all
}

// A load is many viewers, read by one goroutine. close must be called.
type load struct {
	loadPlan
	epoll   int
	all     []*viewer
	waiting []bool // by viewer: it is waited for until it has all

	opened    chan struct{} // closed once every handshake was answered
	complete  chan struct{} // closed once no viewer is waited for
	completed time.Time     // when that was; good once complete is closed

	stop  chan struct{}
	ended chan struct{} // closed when the goroutine has ended; then all else may be read
	err   error
}

// startLoad starts a goroutine that connects the viewers and reads; close waits for it.
func startLoad(p loadPlan) (*load, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	l := &load{loadPlan: p, epoll: epoll, opened: make(chan struct{}), complete: make(chan struct{}),
		stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		l.err = l.run()
	}()
	return l, nil
}

// wait waits for one of the load's channels.
func (l *load) wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-l.ended:
		return cmp.Or(l.err, errors.New("the load has ended"))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends the goroutine and all connections. It may be called twice.
func (l *load) close() {
	select {
	case <-l.stop:
		return
	default:
	}
	close(l.stop)
	<-l.ended
	for _, v := range l.all {
		// A reset leaves no port behind that waits for a minute.
		unix.SetsockoptLinger(v.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(v.fd)
	}
	unix.Close(l.epoll)
}

// run connects and reads until stop is closed.
func (l *load) run() error {
	at, err := netip.ParseAddrPort(l.addr)
	if err != nil {
		return err
	}
	ask := request(l.addr, l.form, l.deflate)
	events := make([]unix.EpollEvent, maxEvents)
	buf := make([]byte, readBytes)
	opened, waiting := 0, 0
	for i := range l.viewers {
		if l.isAwaited(i) {
			waiting++
		}
	}
	for {
		select {
		case <-l.stop:
			return nil
		default:
		}
		for len(l.all) < l.viewers && (l.atOnce || len(l.all)-opened < connecting) {
			if err := l.connect(at, ask); err != nil {
				return fmt.Errorf("connect viewer %d: %w", len(l.all), err)
			}
		}
		n, err := epollWait(l.epoll, events, int(tick.Milliseconds()))
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			v := l.all[e.Fd]
			wasOpen := v.open
			if err := l.read(v, buf); err != nil {
				return fmt.Errorf("viewer %d: %w", e.Fd, err)
			}
			if !wasOpen && v.open {
				if opened++; opened == l.viewers {
					close(l.opened)
				}
			}
			stopped := v.open && l.isStopped(int(e.Fd))
			if v.gone || stopped {
				unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, v.fd, nil)
			}
			if l.waiting[e.Fd] && (v.gone || v.data >= int64(l.want*l.form.lineBytes)) {
				l.waiting[e.Fd] = false
				if waiting--; waiting == 0 {
					l.completed = time.Now()
					close(l.complete)
				}
			}
		}
	}
}

// picked says whether the i-th of all is one of n, or all, that are spread evenly.
func picked(i, n, all int) bool {
	n = min(n, all)
	return (i+1)*n/all > i*n/all
}

func (p loadPlan) isStopped(i int) bool { return picked(i, p.stopped, p.viewers) }

func (p loadPlan) readers() int { return p.viewers - p.stopped }

// isSampled says whether the i-th viewer is sampled.
func (p loadPlan) isSampled(i int) bool {
	return !p.isStopped(i) && picked(i-i*p.stopped/p.viewers, p.sampled, p.readers())
}

// isAwaited says whether the load waits until the i-th viewer has all. Only a sample
// tells what compressed messages hold: the others are waited for if there is none, until
// they are gone.
func (p loadPlan) isAwaited(i int) bool {
	return !p.isStopped(i) && (!p.deflate || p.sampled == 0 || p.isSampled(i))
}

// connect adds a viewer that has asked.
func (l *load) connect(at netip.AddrPort, ask []byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	i := len(l.all)
	v := &viewer{fd: fd, form: l.form}
	l.all = append(l.all, v) // close closes it
	l.waiting = append(l.waiting, l.isAwaited(i))
	if l.isStopped(i) {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, smallBuffer); err != nil {
			return err
		}
	} else if l.isSampled(i) {
		v.sample = newSample(l.texts, l.timed)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return err
	}
	if _, err := unix.Write(fd, ask); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

// read takes what a viewer's socket holds, a buffer at the most.
func (l *load) read(v *viewer, buf []byte) error {
	n, err := rawsys.Read(v.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil || n == 0:
		v.gone = true
		if !v.open {
			return errors.New("the server hung up instead of an answer")
		}
		return nil
	}
	return v.take(buf[:n], time.Now().UnixNano())
}

// A result is what the viewers that read have got.
type result struct {
	faults
	delays   []time.Duration // of the sample's lines, from the shortest
	messages int64           // of output
	wire     int64           // bytes
}

// finish closes the load and returns what the viewers have got of the lines before end.
// Bytes tell of loss and doubles where there is no sample and no compression.
func (l *load) finish(end int) (result, error) {
	l.close()
	if l.err != nil {
		return result{}, l.err
	}
	var r result
	for i, v := range l.all {
		if l.isStopped(i) {
			continue
		}
		if v.gone && v.code != 1000 {
			r.dropped++
		}
		r.messages += v.messages
		r.wire += v.wire
		s := v.sample
		if s == nil && v.deflate {
			s = newSample(l.texts, l.texts.len())
			if err := v.replay(s); err != nil {
				return result{}, fmt.Errorf("viewer %d: %w", i, err)
			}
		}
		switch {
		case s != nil:
			first := 0
			if l.midway {
				first = min(max(s.first, 0), end)
			}
			r.faults.add(s.faults(first, end))
			r.delays = append(r.delays, s.delays...)
		case !l.midway:
			r.faults.add(l.byBytes(v, end))
		}
	}
	slices.Sort(r.delays)
	return r, nil
}

// byBytes tells from how much a viewer has got how many lines are lost or doubled.
func (l *load) byBytes(v *viewer, end int) faults {
	line := int64(l.form.lineBytes)
	short := int64(end)*line - v.data
	if short < 0 {
		return faults{doubled: int((-short + line - 1) / line)}
	}
	return faults{lost: int((short + line - 1) / line)}
}

// quantile returns the delay that a share q of the sample's lines did not exceed, or 0
// where there are none.
func (r result) quantile(q float64) time.Duration {
	if len(r.delays) == 0 {
		return 0
	}
	return r.delays[max(int(math.Ceil(q*float64(len(r.delays)))), 1)-1]
}
