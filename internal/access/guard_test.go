package access

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
)

// On the default port browsers leave it out; without one, another scheme is another
// server.
func TestGuardOnTheDefaultPort(t *testing.T) {
	for _, tt := range []struct {
		o            Options
		port         int
		host, origin string
		want         bool
	}{
		{Options{}, 80, "localhost", "http://localhost", true},
		{Options{}, 80, "localhost:80", "http://localhost", true},
		{Options{}, 80, "[::1]", "http://[::1]", true},
		{Options{}, 80, "localhost", "https://localhost", false},
		{Options{}, 443, "localhost", "http://localhost", false},
		{Options{}, 443, "localhost:443", "http://localhost:443", true},
		{Options{TLS: true}, 443, "localhost", "https://localhost", true},
		{Options{TLS: true}, 443, "localhost", "http://localhost", false},
		{Options{TLS: true}, 80, "localhost", "http://localhost", false},
		{Options{AllowHosts: []string{"Box.example"}}, 9000, "box.example", "https://box.example", true},
	} {
		tt.o.Addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tt.port}
		g := NewGuard(tt.o)
		if got := g.hostAllowed(tt.host) && g.originAllowed([]string{tt.origin}, tt.host); got != tt.want {
			t.Errorf("port %d, Host %s, Origin %s: %v", tt.port, tt.host, tt.origin, got)
		}
	}
}

// Bound to all addresses, each of the machine's is a name, in the form that browsers
// send, and no other.
func TestGuardOnAllAddresses(t *testing.T) {
	for _, port := range []int{80, 9000} {
		g := NewGuard(Options{Addr: &net.TCPAddr{IP: net.IPv4zero, Port: port}})
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			ip := a.(*net.IPNet).IP.String()
			host := net.JoinHostPort(ip, fmt.Sprint(port))
			if !g.hostAllowed(host) || !g.originAllowed([]string{"http://" + host}, "") {
				t.Errorf("%s is refused", host)
			}
			if bare := strings.TrimSuffix(host, fmt.Sprint(":", port)); g.hostAllowed(bare) != (port == 80) {
				t.Errorf("%s: %v on port %d", bare, g.hostAllowed(bare), port)
			}
			for _, bad := range []string{"0" + host, host + "0", "x@" + host, host + ".", net.JoinHostPort(ip, "0"+fmt.Sprint(port))} {
				if g.hostAllowed(bad) {
					t.Errorf("%s is allowed", bad)
				}
			}
		}
		name, _ := os.Hostname()
		for host, want := range map[string]bool{name: true, name + ".local": true, strings.ToUpper(name): true, name + ".example": false, "192.0.2.1": false, "0.0.0.0": true, "[::ffff:127.0.0.1]": false} {
			if got := g.hostAllowed(host + ":" + fmt.Sprint(port)); got != want {
				t.Errorf("%s: %v", host, got)
			}
		}
	}
}

// Behind one name there may be several sockets, and browsers know cookies by name.
func TestCookiesOfSockets(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{"/run/a.sock", "/run/b.sock", "/run/a.sock", "@a"} {
		name := NewGuard(Options{Token: "secret", Addr: &net.UnixAddr{Name: path, Net: "unix"}}).credentials.cookieName
		if !regexp.MustCompile(`^wsrun_[0-9a-f]{8}$`).MatchString(name) {
			t.Errorf("%s: %q", path, name)
		}
		seen[name] = true
	}
	if len(seen) != 3 {
		t.Errorf("names for three paths: %v", seen)
	}
}
