package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// A guard decides who gets an answer. A web page anywhere can make its visitor's
// browser call wsrun; what it cannot do is choose the Host and Origin headers, so
// both are compared with exact lists.
type guard struct {
	hosts   []string // allowed Host headers, in lower case
	port    string
	all     bool // listening on all addresses: any of this machine's is fine
	local   bool // on a Unix socket: its mode guards it, and names mean nothing
	origins []string
	token   string
	cookie  string // its name
}

func newGuard(o Options) guard {
	g := guard{origins: o.AllowOrigins, token: o.Token, cookie: "wsrun"}
	for _, h := range o.AllowHosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	addr, ok := o.Addr.(*net.TCPAddr)
	if !ok {
		g.local = true
		return g
	}
	g.port = fmt.Sprint(addr.Port)
	g.cookie += "_" + g.port // browsers share cookies between ports
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
		if g.port == "80" { // the one that browsers leave out
			g.hosts = append(g.hosts, strings.TrimSuffix(net.JoinHostPort(name, ""), ":"))
		}
	}
	return g
}

// wrap puts the guard, and the headers that every answer has, before next.
func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		if r.Body != http.NoBody {
			// A body that never comes must not hold a connection. Nothing here but
			// the log-in wants one; without keep-alive net/http does not wait for it.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerTime))
			h.Set("Connection", "close")
		}
		if !g.hostAllowed(r.Host) {
			http.Error(w, fmt.Sprintf("host %q is not served here: start wsrun with --allow-host to allow it", r.Host), http.StatusMisdirectedRequest)
			return
		}
		if !g.originAllowed(r) {
			http.Error(w, fmt.Sprintf("origin %q may not read here: start wsrun with --allow-origin to allow it", r.Header.Get("Origin")), http.StatusForbidden)
			return
		}
		if !g.authorized(r) && !isPublic(r) {
			h.Set("WWW-Authenticate", `Bearer realm="wsrun"`)
			http.Error(w, "a token is needed: it is part of the URL that wsrun printed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *guard) hostAllowed(host string) bool {
	host = strings.ToLower(host)
	return g.local || slices.Contains(g.hosts, host) || g.all && g.isOurAddress(host)
}

// isOurAddress tells whether host is an address of one of the interfaces, which
// may have come since the start.
func (g *guard) isOurAddress(host string) bool {
	at, err := netip.ParseAddrPort(host)
	if err != nil && g.port == "80" {
		at, err = netip.ParseAddrPort(host + ":80")
	}
	if err != nil || fmt.Sprint(at.Port()) != g.port {
		return false
	}
	ours, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(ours, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == at.Addr()
	})
}

// originAllowed lets in whoever sends no Origin, as programs do, and pages of an
// allowed host: a proxy may serve those by https.
func (g *guard) originAllowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	if slices.Contains(g.origins, origins[0]) {
		return true
	}
	scheme, host, ok := strings.Cut(origins[0], "://")
	if !ok || scheme != "http" && scheme != "https" {
		return false
	}
	return g.hostAllowed(host) && (!g.local || host == r.Host)
}

// isPublic tells whether a request is for something that holds no output: the
// page, which asks for the token, its files, and the log-in.
func isPublic(r *http.Request) bool {
	switch {
	case r.URL.Path == "/-/login", strings.HasPrefix(r.URL.Path, "/-/static/"):
		return true
	}
	return !strings.HasPrefix(r.URL.Path, "/-/") && r.URL.Query().Get("format") == "" &&
		headerHas(r, "Accept", "text/html") && !headerHas(r, "Upgrade", "websocket")
}

func (g *guard) authorized(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return g.isToken(bearer)
	}
	cookie, err := r.Cookie(g.cookie)
	return err == nil && equal(cookie.Value, digest(g.token))
}

func (g *guard) isToken(value string) bool { return equal(digest(value), digest(g.token)) }

// digest makes of a token, which may hold any character, what a cookie may hold.
func digest(token string) string {
	sum := sha256.Sum256([]byte("wsrun " + token))
	return hex.EncodeToString(sum[:])
}

// equal takes the same time for every value of a length.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// serveLogin turns the token, sent as a form's value, into a cookie.
func (g *guard) serveLogin(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	if token := r.PostFormValue("token"); g.token == "" || !g.isToken(token) {
		http.Error(w, "wrong token", http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: digest(g.token), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}
