package access

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// Browsers leave the default port out. Without a port, another scheme means another server.
func TestDefaultPort(t *testing.T) {
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
		n := newNames(tt.o)
		if got := n.hasHost(tt.host) && n.hasOrigin(tt.origin, tt.host); got != tt.want {
			t.Errorf("port %d, Host %s, Origin %s: %v", tt.port, tt.host, tt.origin, got)
		}
	}
}

// A server that listens on all addresses answers to each address of the machine, in the form
// that browsers send, and to no other.
func TestAllAddresses(t *testing.T) {
	for _, port := range []int{80, 9000} {
		n := newNames(Options{Addr: &net.TCPAddr{IP: net.IPv4zero, Port: port}})
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			ip := a.(*net.IPNet).IP.String()
			host := net.JoinHostPort(ip, fmt.Sprint(port))
			if !n.hasHost(host) || !n.hasOrigin("http://"+host, "") {
				t.Errorf("%s is refused", host)
			}
			if bare := strings.TrimSuffix(host, fmt.Sprint(":", port)); n.hasHost(bare) != (port == 80) {
				t.Errorf("%s: %v on port %d", bare, n.hasHost(bare), port)
			}
			for _, bad := range []string{"0" + host, host + "0", "x@" + host, host + ".", net.JoinHostPort(ip, "0"+fmt.Sprint(port))} {
				if n.hasHost(bad) {
					t.Errorf("%s is allowed", bad)
				}
			}
		}
		name, _ := os.Hostname()
		for host, want := range map[string]bool{
			name: true, name + ".local": true, strings.ToUpper(name): true, name + ".example": false,
			"192.0.2.1": false, "0.0.0.0": true, "[::ffff:127.0.0.1]": false,
		} {
			if got := n.hasHost(host + ":" + fmt.Sprint(port)); got != want {
				t.Errorf("%s: %v", host, got)
			}
		}
	}
}
