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
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Viewers behind bad networks see every line once, or know what they have missed,
// and nobody else is any slower for them.
func TestBadNetworks(t *testing.T) {
	t.Parallel()
	c := newCanary(t, song{100, 50})
	t.Run("viewers", func(t *testing.T) {
		for name, w := range map[string]weather{
			"latency":        {latency: 300 * time.Millisecond},
			"a byte a write": {piece: 1},
			"1 KiB a second": {rate: 1 << 10},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				endure(t, c, w)
			})
		}
	})
	c.finish()
}

// endure views c through w for a while.
func endure(t *testing.T, c *canary, w weather) {
	p := newProxy(t, c.addr, w)
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Duration(times(8, 60)) * time.Second))
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

// holeTime is by when wsrun has noticed a viewer that is gone without a word: a
// ping comes after at most 30 s, and has 10 to be answered.
const holeTime = 42 * time.Second

// A viewer whose network swallows everything is dropped, and misses nothing when it
// comes again; nobody else notices.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	t.Run("proxy", func(t *testing.T) {
		t.Parallel()
		c := newCanary(t, song{20, 100})
		p := newProxy(t, c.addr, weather{})
		fall(t, c, func() (net.Conn, error) { return net.Dial("tcp", p.Addr().String()) }, func() { close(p.hole) }, c.dial)
	})
	t.Run("namespace", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t)
		c := newCanary(t, song{20, 100}, "-a", n.host+":0", "--public")
		dial := func() (net.Conn, error) { return n.dial(c.addr) }
		fall(t, c, dial, func() { n.ip("-n", n.name, "link", "set", n.name, "down") }, func() net.Conn {
			n.ip("-n", n.name, "link", "set", n.name, "up")
			conn, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			return conn
		})
	})
}

// fall has a viewer that dials vanish by swallow, and come again.
func fall(t *testing.T, c *canary, dial func() (net.Conn, error), swallow func(), again func() net.Conn) {
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
	took := await(t, holeTime, "the viewer in the hole is dropped", func() bool { return c.watching() == watching-1 })
	t.Attr("promise", "a viewer whose network swallows everything is dropped")
	t.Attr("figure", fmt.Sprintf("after %v", took.Round(100*time.Millisecond)))
	conn.Close()

	back := again()
	defer back.Close()
	if s, err = open(back, c.addr, f.query(), "wsrun.v1"); err != nil {
		t.Fatal(err)
	}
	f.enough = true
	if err := f.follow(s); err != errEnough || f.hellos != 2 {
		t.Errorf("%v, %d connections", err, f.hellos)
	}
	if _, _, err := f.seen(); err != nil {
		t.Errorf("a viewer that came again: %v", err)
	}
	c.finish()
}

// A network is a network namespace with a cable to this one.
type network struct {
	t          *testing.T
	name, host string
	file       *os.File
}

func newNetwork(t *testing.T) *network {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatal("ip is missing: make deps")
	}
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	id := os.Getpid() % 250
	n := &network{t: t, name: fmt.Sprintf("wsrun%d", id), host: fmt.Sprintf("10.213.%d.1", id)}
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
		runtime.LockOSThread() // which ends with the goroutine
		err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET)
		if err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp", addr, latest)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
