// Package access decides who gets an answer: by Host, Origin, site and credentials. It also
// reads the files of certificates and users again when they change.
//
// The package knows nothing of streams or queries.
package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// bodyTime is how long a request's body may take.
const bodyTime = 5 * time.Second

// A Guard decides who gets an answer. A web page anywhere can make its visitor's
// browser call wsrun; what it cannot do is choose the Host, Origin and Sec-Fetch
// headers, so those are looked at first.
type Guard struct {
	hosts       []string // own values of the Host header, in lower case
	more        []string // further ones: of a proxy, whose scheme is its own affair
	scheme      string   // ours
	port        string
	all         bool // listening on all addresses: any of this machine's is fine
	local       bool // on a Unix socket: its mode guards it, and names mean nothing
	origins     []string
	base        string // path that everything is below, with a slash at its end
	credentials *credentials
}

// Options says who gets an answer.
type Options struct {
	Addr         net.Addr // of the listener
	Host         string   // that the user asked to listen on; may be empty
	AllowHosts   []string // further exact values of the Host header
	AllowOrigins []string // further exact values of the Origin header
	Token        string   // empty: none is needed, but for Users
	Users        *Users   // instead of a token; nil without
	TLS          bool
	Base         string // path that everything is below, as /logs/; empty for /
}

// NewGuard returns a guard for o.
func NewGuard(o Options) *Guard {
	g := &Guard{origins: o.AllowOrigins, scheme: "http", base: cmp.Or(o.Base, "/")}
	for _, h := range o.AllowHosts {
		g.more = append(g.more, strings.ToLower(h))
	}
	defaultPort := "80"
	if o.TLS {
		g.scheme, defaultPort = "https", "443"
	}
	addr, ok := o.Addr.(*net.TCPAddr)
	if !ok {
		// Proxies may show several under one name.
		g.credentials = newCredentials(o, fmt.Sprintf("wsrun_%.4x", sha256.Sum256([]byte(o.Addr.String()))), g.base)
		g.local = true
		return g
	}
	g.port = fmt.Sprint(addr.Port)
	g.credentials = newCredentials(o, "wsrun_"+g.port, g.base) // browsers share cookies between ports
	g.all = addr.IP.IsUnspecified()
	names := []string{"localhost", "127.0.0.1", "::1", addr.IP.String(), o.Host}
	if g.all {
		if name, err := os.Hostname(); err == nil {
			names = append(names, name, name+".local")
		}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		name = strings.ToLower(name)
		g.hosts = append(g.hosts, net.JoinHostPort(name, g.port))
		if g.port == defaultPort { // browsers leave it out
			g.hosts = append(g.hosts, strings.TrimSuffix(net.JoinHostPort(name, ""), ":"))
		}
	}
	return g
}

// inert keeps a browser from making anything of an answer but what it shows.
const inert = "default-src 'none'; frame-ancestors 'none'; sandbox"

// Wrap puts the guard, and the headers that every response has, before next. It calls
// refused, which answers, with each request that next does not get.
func (g *Guard) Wrap(next http.Handler, refused func(http.ResponseWriter, *http.Request, *Refusal)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", inert)
		h.Set("Cache-Control", "no-store")
		if r.Body != http.NoBody {
			// A body that never comes must not hold a connection. Nothing here but
			// the log-in wants one; without keep-alive net/http does not wait for it.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
			h.Set("Connection", "close")
		}
		d, no := g.check(r)
		if no != nil {
			refused(w, r, no)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), decisionKey{}, d)))
	})
}

// A decision is what the guard has found out about a request that it lets through.
type decision struct {
	shown proof
	page  bool // it asks for the page, which holds no output
}

type decisionKey struct{} // of a context's value: the decision

// Authorized reports whether r, which a guard has let through, may see output.
func Authorized(r *http.Request) bool {
	d, _ := r.Context().Value(decisionKey{}).(decision)
	return d.shown != noProof
}

// IsPage reports whether r, which a guard has let through, asks for the page. That may be
// so of a request that is not [Authorized].
func IsPage(r *http.Request) bool {
	d, _ := r.Context().Value(decisionKey{}).(decision)
	return d.page
}

// check decides on r. Until it has, nothing else of r may be looked at: whatever is done
// here is done for strangers, too.
func (g *Guard) check(r *http.Request) (decision, *Refusal) {
	// A target in absolute form takes the place of the Host header (RFC 9112, section
	// 3.2.2), and may name another scheme.
	if !g.hostAllowed(r.Host) || r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return decision{}, &Refusal{Reason: Host, Status: http.StatusMisdirectedRequest,
			Text: fmt.Sprintf("host %s is not served here: start wsrun with --allow-host to allow it", quote(r.Host))}
	}
	origins := r.Header.Values("Origin")
	if len(origins) > 0 && !g.originAllowed(origins, r.Host) {
		return decision{}, forbidden(fmt.Sprintf("origin %s may not read here: start wsrun with --allow-origin to allow it", quote(strings.Join(origins, ", "))))
	}
	page := g.asksForPage(r)
	if !g.siteAllowed(r, origins, page) {
		return decision{}, forbidden("pages of other sites may not read here, only link to it")
	}
	if isPublic(g.below(r)) {
		return decision{page: page}, nil
	}
	shown, refused := g.credentials.authenticate(r)
	switch {
	case page:
		return decision{shown, true}, nil
	case shown == cookieProof && len(origins) == 0 && r.Header.Get("Sec-Fetch-Site") == "" && tellsSite(r):
		return decision{}, forbidden("a cookie alone says nothing of who asks: an Origin or Sec-Fetch-Site header is needed with it")
	}
	return decision{shown: shown}, refused
}

func (g *Guard) hostAllowed(host string) bool {
	host = strings.ToLower(host)
	return g.local || slices.Contains(g.hosts, host) || slices.Contains(g.more, host) || g.all && g.isOurAddress(host)
}

// isOurAddress tells whether host is an address of one of the interfaces, which
// may have come since the start.
func (g *Guard) isOurAddress(host string) bool {
	exact := host
	if _, _, err := net.SplitHostPort(host); err != nil && slices.Contains(g.hosts, "localhost") {
		exact = host + ":" + g.port // the one that browsers leave out
	}
	at, err := netip.ParseAddrPort(exact)
	if err != nil || at.String() != exact || fmt.Sprint(at.Port()) != g.port {
		return false
	}
	ours, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(ours, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == at.Addr()
	})
}

// originAllowed lets in pages of an allowed host. Those of our own names have our
// scheme: without a port, another is another server's. A proxy may serve its by
// either.
func (g *Guard) originAllowed(origins []string, asked string) bool {
	if len(origins) > 1 || origins[0] == "null" {
		return false
	}
	if slices.Contains(g.origins, origins[0]) {
		return true
	}
	scheme, host, ok := strings.Cut(origins[0], "://")
	switch {
	case !ok || scheme != "http" && scheme != "https":
		return false
	case g.local:
		return host == asked
	case slices.Contains(g.more, strings.ToLower(host)):
		return true
	}
	return scheme == g.scheme && g.hostAllowed(host)
}

// siteAllowed tells whether a browser says nothing against r. Pages of other sites
// may only link to the page and, where some may embed it, show it in a frame: which
// of them, the page's policy says, as a frame's request does not. Pages of allowed
// origins have said who they are.
func (g *Guard) siteAllowed(r *http.Request, origins []string, page bool) bool {
	sites := r.Header.Values("Sec-Fetch-Site")
	if len(sites) == 0 || len(sites) == 1 && (sites[0] == "same-origin" || sites[0] == "none") {
		return true
	}
	if len(origins) == 1 && slices.Contains(g.origins, origins[0]) {
		return true
	}
	if !page || r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document":
		return true
	case "iframe":
		return g.Embeddable(r)
	}
	return false
}

// Embeddable tells whether pages of other origins may show the page that r asks
// for in a frame.
func (g *Guard) Embeddable(r *http.Request) bool {
	return len(g.origins) > 0 && hasParameter(r.URL.RawQuery, "embed")
}

// tellsSite tells whether every browser would send Sec-Fetch-Site with r: to what
// is encrypted, or on this machine (Fetch Metadata, section 2; Secure Contexts,
// section 3.1). To others on a network none does, not even the page's own requests;
// those are left to SameSite, and to Cross-Origin-Resource-Policy.
func tellsSite(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return r.TLS != nil || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// below returns r's path below the base, which begins with a slash; empty if it is
// not below. The base without its last slash is as good: it leads there.
func (g *Guard) below(r *http.Request) string {
	if r.URL.Path+"/" == g.base {
		return "/"
	}
	path, ok := strings.CutPrefix(r.URL.Path, g.base)
	if !ok {
		return ""
	}
	return "/" + path
}

// asksForPage reports whether r asks for the page: by its path, by two headers, and by
// having no format in its query.
func (g *Guard) asksForPage(r *http.Request) bool {
	path := g.below(r)
	return path != "" && !strings.HasPrefix(path, "/-/") && !HeaderHas(r.Header, "Upgrade", "websocket") &&
		parameter(r.URL.RawQuery, "format") == "" && HeaderHas(r.Header, "Accept", "text/html")
}

// isPublic tells whether a path is of something that the page needs before it is
// let in.
func isPublic(path string) bool {
	return path == "/-/login" || strings.HasPrefix(path, "/-/static/")
}
