package access

import (
	"context"
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// An address has this many wrong tries in tryTime.
	maxTries = 5
	tryTime  = time.Second
	// maxWaiting is how many of an address' tries may wait for their turn. A browser
	// or a script sends a few at a time; what waits holds a connection.
	maxWaiting = 64
	// throttled is how many addresses are told apart. Those beyond share: a table
	// that grows would be for those who have many addresses to fill.
	throttled = 4096
)

// What comes of a try that does not get in.
var (
	errWrong   = errors.New("wrong")
	errTooMany = errors.New("too many wrong tokens or passwords: wait a second")
	errCrowded = errors.New("too many log in at the moment: come again in a second")
)

// A throttle decides an address' tries one after the other, and no more once too many
// were wrong. Its methods may be called concurrently.
type throttle struct {
	mu    sync.Mutex
	seed  maphash.Seed // so that nobody can choose whom to share with
	tries *[throttled]tries
}

// tries are an address'.
type tries struct {
	turn    chan struct{} // holds one while a try is being decided
	waiting atomic.Int32  // for that, and the one that is
	wrong   [maxTries]time.Time
	next    int // of wrong, as that guarded by turn: its oldest
}

// of returns the tries of a request's RemoteAddr.
func (t *throttle) of(remote string) *tries {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tries == nil {
		t.seed, t.tries = maphash.MakeSeed(), new([throttled]tries)
	}
	one := &t.tries[maphash.Comparable(t.seed, origin(remote))%throttled]
	if one.turn == nil {
		one.turn = make(chan struct{}, 1)
	}
	return one
}

// try returns what right does, which is errWrong for a wrong try, when it is the turn
// of a request from remote. It does not call right when that would not be heard, and
// returns errTooMany, or errCrowded also when ctx is done.
func (t *throttle) try(ctx context.Context, remote string, right func() error) error {
	of := t.of(remote)
	defer of.waiting.Add(-1)
	if of.waiting.Add(1) > maxWaiting {
		return errCrowded
	}
	select {
	case of.turn <- struct{}{}:
		defer func() { <-of.turn }()
	case <-ctx.Done():
		return errCrowded
	}
	if time.Since(of.wrong[of.next]) < tryTime {
		return errTooMany
	}
	err := right()
	if err == errWrong {
		of.wrong[of.next] = time.Now()
		of.next = (of.next + 1) % maxTries
	}
	return err
}

// origin returns what stands for all addresses that one host can easily have: of
// IPv6 a /64. Without an address, as on a Unix socket, all are one.
func origin(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.Addr()
	}
	return addr
}
