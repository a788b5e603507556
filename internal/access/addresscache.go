package access

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// addressTime is how long the addresses of the network interfaces are remembered. To look them
// up takes a system call, and time for each address.
const addressTime = time.Second

// An addressCache holds the addresses of this machine's network interfaces. Its methods may be
// called concurrently.
type addressCache struct {
	addrs atomic.Pointer[map[netip.Addr]bool]

	mu      sync.Mutex // only ever tried, so that no request waits for a system call
	checked time.Time
}

func newAddressCache() *addressCache {
	c := &addressCache{}
	c.addrs.Store(&map[netip.Addr]bool{})
	c.refresh()
	return c
}

// has reports whether an interface had the address at most addressTime ago.
func (c *addressCache) has(addr netip.Addr) bool {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		if time.Since(c.checked) >= addressTime {
			c.refresh()
		}
	}
	return (*c.addrs.Load())[addr]
}

// refresh looks the addresses up, and keeps the previous ones if that fails. mu must be held.
func (c *addressCache) refresh() {
	c.checked = time.Now()
	found, err := net.InterfaceAddrs()
	if err != nil {
		return
	}
	addrs := make(map[netip.Addr]bool, len(found))
	for _, a := range found {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addrs[prefix.Addr()] = true
		}
	}
	c.addrs.Store(&addrs)
}
