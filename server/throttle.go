package server

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// An address has this many wrong tries in tryTime.
	maxTries = 5
	tryTime  = time.Second
	// throttled is how many addresses are told apart. Those beyond share: a table
	// that grows would be for those who have many addresses to fill.
	throttled = 4096
)

// A throttle counts wrong tries. Its methods may be called concurrently.
type throttle struct {
	mu    sync.Mutex
	seed  maphash.Seed // so that nobody can choose whom to share with
	tries *[throttled][maxTries]time.Time
}

// take counts a try by a request's RemoteAddr. Not ok means that there were too many;
// otherwise giveBack is to be called if it was right. Counting first keeps those who
// try at the same time from having more.
func (t *throttle) take(remote string) (giveBack func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tries == nil {
		t.seed, t.tries = maphash.MakeSeed(), new([throttled][maxTries]time.Time)
	}
	tries := &t.tries[maphash.Comparable(t.seed, origin(remote))%throttled]
	now := time.Now()
	for i, at := range tries {
		if now.Sub(at) < tryTime {
			continue
		}
		tries[i] = now
		return func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if tries[i].Equal(now) {
				tries[i] = time.Time{}
			}
		}, true
	}
	return nil, false
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
