package access

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// The addresses are looked up again after a second, and not before.
func TestAddressCache(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	synctest.Test(t, func(t *testing.T) {
		c := newAddressCache()
		if !c.has(loopback) {
			t.Fatal("no interface has 127.0.0.1")
		}
		c.addrs.Store(&map[netip.Addr]bool{}) // as if it were new
		time.Sleep(addressTime - time.Nanosecond)
		if c.has(loopback) {
			t.Error("looked up for each request")
		}
		time.Sleep(time.Nanosecond)
		if !c.has(loopback) {
			t.Error("never looked up again")
		}
	})
}
