//go:build linux

package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBadNetworks checks that viewers on bad networks see every line once, or learn what they
// have missed, and that they slow no other viewer down.
func TestBadNetworks(t *testing.T) {
	t.Parallel()
	c := newCanary(t, load{100, 50})
	t.Run("viewers", func(t *testing.T) {
		for name, imp := range map[string]impairment{
			"latency":        {latency: 300 * time.Millisecond},
			"a byte a write": {piece: 1},
			"1 KiB a second": {rate: 1 << 10},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				followThrough(t, c, imp)
			})
		}
	})
	c.finish()
}

// followThrough views c for a while, over a network with an impairment.
func followThrough(t *testing.T, c *canary, imp impairment) {
	p := newProxy(t, c.addr, imp)
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Duration(iterations(8, 60)) * time.Second))
	s, err := open(conn, c.addr, "?n=20", "wsrun.v1")
	if err != nil {
		t.Fatal(err)
	}
	var f follower
	if err := f.follow(s); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the viewer got %v", err)
	}
	t.Attr("promise", "viewers behind bad networks see every line once, or know what they have missed")
	t.Attr("figure", fmt.Sprintf("%d lines, %d resets", f.lines, f.resets))
	if _, _, err := f.seen(); err != nil || f.lines < 20 {
		t.Errorf("the viewer saw %d lines: %v", f.lines, err)
	}
}

// blackHoleTime is how long wsrun may take to notice that a viewer is unreachable, which is 30 s at most,
// and a busy machine a little longer.
const blackHoleTime = 35 * time.Second

// TestBlackHole checks that a viewer whose network swallows everything is dropped, misses
// nothing when it reconnects, and doesn't affect others.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	t.Run("proxy", func(t *testing.T) {
		t.Parallel()
		c := newCanary(t, load{20, 100})
		p := newProxy(t, c.addr, impairment{})
		dial := func() (net.Conn, error) { return net.Dial("tcp", p.Addr().String()) }
		vanish(t, c, dial, func() { close(p.hole) }, c.dial)
	})
	t.Run("namespace", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t)
		c := newCanary(t, load{20, 100}, "-a", n.host+":0", "--public")
		dial := func() (net.Conn, error) { return n.dial(c.addr) }
		vanish(t, c, dial, func() { n.ip("-n", n.name, "link", "set", n.name, "down") }, func() net.Conn {
			n.ip("-n", n.name, "link", "set", n.name, "up")
			conn, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			return conn
		})
	})
}

// TestBlackHoleOfFollowers checks that followers without WebSockets are dropped as well, whether output is
// on its way to them or not.
func TestBlackHoleOfFollowers(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{"text": "", "events": "Accept: text/event-stream\r\n"} {
		for kind, script := range map[string]string{"busy": "while :; do echo tick; sleep 1; done", "silent": "sleep 100"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t)
				p := begin(t, wsrun("-a", n.host+":0", "--public", "sh", "-c", script))
				conn, err := n.dial(p.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "GET /?tail=1 HTTP/1.1\r\nHost: %s\r\n%s\r\n", p.addr, header)
				await(t, blackHoleTime, "there is a follower", func() bool { return p.follows(name) })
				n.ip("-n", n.name, "link", "set", n.name, "down")
				took := await(t, blackHoleTime, "the follower in the hole is dropped", func() bool { return !p.follows(name) })
				t.Logf("dropped after %v", took.Round(100*time.Millisecond))
			})
		}
	}
}

// vanish connects a viewer with dial, makes its network swallow everything with swallow, waits
// until the viewer is dropped, and reconnects with again.
func vanish(t *testing.T, c *canary, dial func() (net.Conn, error), swallow func(), again func() net.Conn) {
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := open(conn, c.addr, "", "wsrun.v1")
	if err != nil {
		t.Fatal(err)
	}
	var f follower
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	if err := f.follow(s); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	watching := c.watching()
	swallow()
	took := await(t, blackHoleTime, "the viewer in the hole is dropped", func() bool { return c.watching() == watching-1 })
	t.Attr("promise", "a viewer whose network swallows everything is dropped")
	t.Attr("figure", fmt.Sprintf("after %v", took.Round(100*time.Millisecond)))
	conn.Close()

	back := again()
	defer back.Close()
	if s, err = open(back, c.addr, f.query(), "wsrun.v1"); err != nil {
		t.Fatal(err)
	}
	f.untilCaughtUp = true
	if err := f.follow(s); err != errCaughtUp || f.hellos != 2 {
		t.Errorf("%v, %d connections", err, f.hellos)
	}
	if _, _, err := f.seen(); err != nil {
		t.Errorf("a viewer that came again: %v", err)
	}
	c.finish()
}

// A network is a network namespace with a virtual cable (veth(4)) to this one.
type network struct {
	t    *testing.T
	name string
	host string   // this side's address
	file *os.File // the namespace
}

// networks counts the networks made so far.
var networks atomic.Int64

// newNetwork makes a network that is removed at the end of the test.
func newNetwork(t *testing.T) *network {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatal("ip is missing: make deps")
	}
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	id, of := os.Getpid()%250, networks.Add(1)%40
	n := &network{t: t, name: fmt.Sprintf("wsrun%d-%d", id, of), host: fmt.Sprintf("10.%d.%d.1", 210+of, id)}
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { n.ip("netns", "del", n.name) })
	n.ip("link", "add", n.name+"h", "type", "veth", "peer", "name", n.name, "netns", n.name)
	n.ip("addr", "add", n.host+"/24", "dev", n.name+"h")
	n.ip("link", "set", n.name+"h", "up")
	n.ip("-n", n.name, "addr", "add", strings.TrimSuffix(n.host, "1")+"2/24", "dev", n.name)
	n.ip("-n", n.name, "link", "set", n.name, "up")
	var err error
	if n.file, err = os.Open("/run/netns/" + n.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.file.Close() })
	return n
}

// ip runs ip(8).
func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// dial connects from within the network.
func (n *network) dial(addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET)
		if err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp", addr, maxDelay)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
