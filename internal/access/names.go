package access

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// The names of a server are the values of the Host header that it answers to.
type names struct {
	own     []string // of the listener, in lower case
	allowed []string // other ones, such as a proxy's, in lower case
	scheme  string
	port    string

	anyAddress bool          // listening on all addresses: each of this machine's is a name
	interfaces *addressCache // nil unless anyAddress
	unixSocket bool          // anything is a name: the socket's mode protects it, and the proxy knows its own
}

func newNames(o Options) *names {
	n := &names{scheme: "http"}
	for _, host := range o.AllowHosts {
		n.allowed = append(n.allowed, strings.ToLower(host))
	}
	defaultPort := "80"
	if o.TLS {
		n.scheme, defaultPort = "https", "443"
	}
	addr, ok := o.Addr.(*net.TCPAddr)
	if !ok {
		n.unixSocket = true
		return n
	}
	n.port = fmt.Sprint(addr.Port)
	n.anyAddress = addr.IP.IsUnspecified()
	hosts := []string{"localhost", "127.0.0.1", "::1", addr.IP.String(), o.Host}
	if n.anyAddress {
		n.interfaces = newAddressCache()
		if name, err := os.Hostname(); err == nil {
			hosts = append(hosts, name, name+".local")
		}
	}
	for _, host := range hosts {
		if host == "" {
			continue
		}
		host = strings.ToLower(host)
		n.own = append(n.own, net.JoinHostPort(host, n.port))
		if n.port == defaultPort { // browsers leave it out
			n.own = append(n.own, strings.TrimSuffix(net.JoinHostPort(host, ""), ":"))
		}
	}
	return n
}

// hasHost reports whether a Host header names this server.
func (n *names) hasHost(host string) bool {
	host = strings.ToLower(host)
	return n.unixSocket || slices.Contains(n.own, host) || slices.Contains(n.allowed, host) || n.anyAddress && n.isInterface(host)
}

// hasOrigin reports whether an Origin is that of this server's own pages. host is the Host
// header of the same request.
func (n *names) hasOrigin(origin, host string) bool {
	scheme, name, ok := strings.Cut(origin, "://")
	switch {
	case !ok || scheme != "http" && scheme != "https":
		return false
	case n.unixSocket:
		return name == host
	case slices.Contains(n.allowed, strings.ToLower(name)):
		return true // a proxy may use either scheme
	}
	return scheme == n.scheme && n.hasHost(name) // without a port, the other scheme is another server
}

// isInterface reports whether a Host header has the address of one of this machine's network
// interfaces, which may be newer than the listener.
func (n *names) isInterface(host string) bool {
	exact := host
	if _, _, err := net.SplitHostPort(host); err != nil && slices.Contains(n.own, "localhost") {
		exact = host + ":" + n.port // the default one, which browsers leave out
	}
	at, err := netip.ParseAddrPort(exact)
	if err != nil || at.String() != exact || fmt.Sprint(at.Port()) != n.port {
		return false
	}
	return n.interfaces.has(at.Addr())
}
