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
	// A client may make maxWrong wrong attempts in wrongTime.
	maxWrong  = 5
	wrongTime = time.Second
	// maxWaiting is how many attempts of one client may wait for their turn, each with its
	// connection. A browser or a script makes only a few at a time.
	maxWaiting = 64
	// throttleSize is how many clients are told apart; if there are more, some share their
	// attempts. The table must not grow, because a stranger may have any number of addresses.
	throttleSize = 4096
)

// Why an attempt didn't succeed. The texts are for the client.
var (
	errWrong   = errors.New("wrong")
	errTooMany = errors.New("too many wrong tokens or passwords: wait a second")
	errBusy    = errors.New("too many log in at the moment: come again in a second")
)

// A throttle limits how fast a client can guess tokens and passwords. It decides a client's
// attempts one after the other, and none while too many recent ones were wrong. The zero
// throttle is ready for use. Methods may be called concurrently.
type throttle struct {
	mu      sync.Mutex
	seed    maphash.Seed // random, so that nobody can choose which client to share attempts with
	clients *[throttleSize]attempts
}

// The attempts of a client to prove that it may see output.
type attempts struct {
	turn    chan struct{} // holds one element while an attempt is being decided
	waiting atomic.Int32  // attempts that wait for their turn, and the one that is being decided

	// Only the attempt whose turn it is may use these.
	wrong  [maxWrong]time.Time // when the last wrong attempts were made
	oldest int                 // index in wrong
}

// client returns the attempts of the client at a request's RemoteAddr.
func (t *throttle) client(remote string) *attempts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clients == nil {
		t.seed, t.clients = maphash.MakeSeed(), new([throttleSize]attempts)
	}
	a := &t.clients[maphash.Comparable(t.seed, ClientPrefix(remote))%throttleSize]
	if a.turn == nil {
		a.turn = make(chan struct{}, 1)
	}
	return a
}

// attempt calls check when it is the turn of a request from remote, and returns check's error;
// errWrong counts as a wrong attempt. If there were too many of those, attempt returns
// errTooMany instead, without calling check. It returns errBusy if too many attempts are
// waiting, or if ctx ends first.
func (t *throttle) attempt(ctx context.Context, remote string, check func() error) error {
	a := t.client(remote)
	defer a.waiting.Add(-1)
	if a.waiting.Add(1) > maxWaiting {
		return errBusy
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return errBusy
	}
	if time.Since(a.wrong[a.oldest]) < wrongTime {
		return errTooMany
	}
	err := check()
	if err == errWrong {
		a.wrong[a.oldest] = time.Now()
		a.oldest = (a.oldest + 1) % maxWrong
	}
	return err
}

// ClientPrefix returns all addresses that a client at remote can easily have: its IPv4 address,
// or its /64 of IPv6. Clients without an address, as on a Unix socket, have the zero Prefix.
func ClientPrefix(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().Unmap()
	bits := 64
	if addr.Is4() {
		bits = addr.BitLen()
	}
	prefix, _ := addr.Prefix(bits)
	return prefix
}
