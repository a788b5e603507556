// Package access decides who gets an answer: by Host, Origin, site and credentials. It also
// reads the files of certificates and users again when they change.
//
// The package knows nothing of streams or queries.
package access

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// bodyTime is how long a request's body may take.
const bodyTime = 5 * time.Second

// A Guard decides which requests get an answer. A web page anywhere can make its visitor's
// browser send requests to wsrun, but it can't choose the Host, Origin and Sec-Fetch headers, so
// the guard checks those first. Its methods may be called concurrently.
type Guard struct {
	names       *names
	origins     []string // of other servers' pages that may read
	base        string   // path that everything is below, with a slash at both ends
	credentials *credentials
}

// Options says which requests get an answer. Only Addr is needed.
type Options struct {
	Addr         net.Addr // of the listener
	Host         string   // that the user asked to listen on; may be empty
	AllowHosts   []string // other values of the Host header, in any case
	AllowOrigins []string // other exact values of the Origin header
	Token        string   // empty: none is needed
	Users        *Users   // needed instead of a token; nil: a token, or nothing
	TLS          bool
	Base         string // path that everything is below, such as /logs/; empty for /
}

// NewGuard returns a guard for o.
func NewGuard(o Options) *Guard {
	base := cmp.Or(o.Base, "/")
	return &Guard{names: newNames(o), origins: o.AllowOrigins, base: base, credentials: newCredentials(o, cookieName(o.Addr), base)}
}

// staticPolicy is the Content-Security-Policy of everything but the page: a browser may show it,
// and do nothing else with it.
const staticPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

// Wrap returns a handler that sets the headers that every response has, and passes the requests
// that the guard lets through to next. For any other request, it calls refused, which answers.
func (g *Guard) Wrap(next http.Handler, refused func(http.ResponseWriter, *http.Request, *Refusal)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", staticPolicy)
		h.Set("Cache-Control", "no-store")
		if r.Body != http.NoBody {
			// A body that never arrives must not hold a connection for long. Only a log-in needs a
			// body, and without keep-alive net/http doesn't wait for the end of any other.
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
			h.Set("Connection", "close")
		}
		d, refusal := g.check(r)
		if refusal != nil {
			refused(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), decisionKey{}, d)))
	})
}

// A decision is what the guard knows about a request that it lets through.
type decision struct {
	proof proof
	page  bool // the request is for the page, which holds no output
}

type decisionKey struct{} // of a context's value: the decision

// Authorized reports whether r, which a guard has let through, may see output.
func Authorized(r *http.Request) bool {
	d, _ := r.Context().Value(decisionKey{}).(decision)
	return d.proof != noProof
}

// IsPage reports whether r, which a guard has let through, is for the page. Unlike any other
// request, it may be let through without being [Authorized].
func IsPage(r *http.Request) bool {
	d, _ := r.Context().Value(decisionKey{}).(decision)
	return d.page
}

// check decides on r. Anyone can make wsrun do what happens here, so each step must cost little
// for each byte of r, and nothing else of r may be parsed before the decision.
func (g *Guard) check(r *http.Request) (decision, *Refusal) {
	// A target in absolute form replaces the Host header (RFC 9112, section 3.2.2), and may have
	// another scheme.
	if !g.names.hasHost(r.Host) || r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return decision{}, &Refusal{Reason: Host, Status: http.StatusMisdirectedRequest,
			Text: fmt.Sprintf("host %s is not served here: start wsrun with --allow-host to allow it", quote(r.Host))}
	}
	origins := r.Header.Values("Origin")
	if len(origins) > 0 && !g.originAllowed(origins, r.Host) {
		sent := quote(strings.Join(origins, ", "))
		return decision{}, forbidden(fmt.Sprintf("origin %s may not read here: start wsrun with --allow-origin to allow it", sent))
	}
	page := g.asksForPage(r)
	if !g.siteAllowed(r, origins, page) {
		return decision{}, forbidden("pages of other sites may not read here, only link to it")
	}
	if isPublic(g.pathBelowBase(r)) {
		return decision{page: page}, nil
	}
	proof, refusal := g.credentials.authenticate(r)
	switch {
	case page:
		return decision{proof, true}, nil
	case proof == cookieProof && len(origins) == 0 && r.Header.Get("Sec-Fetch-Site") == "" && browsersSendSite(r):
		return decision{}, forbidden("a cookie alone says nothing of who asks: an Origin or Sec-Fetch-Site header is needed with it")
	}
	return decision{proof: proof}, refusal
}

// originAllowed reports whether the page that the Origin header names may read from the given
// Host.
func (g *Guard) originAllowed(origins []string, host string) bool {
	if len(origins) > 1 || origins[0] == "null" {
		return false
	}
	return slices.Contains(g.origins, origins[0]) || g.names.hasOrigin(origins[0], host)
}

// asksForPage reports whether r is for the page, judging by its path, its Upgrade and Accept
// headers, and whether its query has a format.
func (g *Guard) asksForPage(r *http.Request) bool {
	path := g.pathBelowBase(r)
	return path != "" && !strings.HasPrefix(path, "/-/") && !HeaderHas(r.Header, "Upgrade", "websocket") &&
		parameter(r.URL.RawQuery, "format") == "" && HeaderHas(r.Header, "Accept", "text/html")
}

// pathBelowBase returns r's path below the base, with a leading slash; empty if r's path is not
// below the base. The base may lack its last slash, since it redirects to the one with it.
func (g *Guard) pathBelowBase(r *http.Request) string {
	if r.URL.Path+"/" == g.base {
		return "/"
	}
	path, ok := strings.CutPrefix(r.URL.Path, g.base)
	if !ok {
		return ""
	}
	return "/" + path
}

// isPublic reports whether a path below the base is needed by the page before anyone has logged
// in.
func isPublic(path string) bool {
	return path == "/-/login" || strings.HasPrefix(path, "/-/static/")
}
