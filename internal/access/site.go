package access

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// siteAllowed reports whether r's Sec-Fetch headers, if it has any, allow it. A page of another
// site may only link to the page or, if some origins may embed the page, show it in a frame: a
// frame's request doesn't name its origin, so the page's policy decides which ones may. A page
// of an allowed origin may do anything, because its Origin header identifies it.
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

// Embeddable reports whether pages of other origins may show the page that r is for in a frame.
func (g *Guard) Embeddable(r *http.Request) bool {
	return len(g.origins) > 0 && hasParameter(r.URL.RawQuery, "embed")
}

// browsersSendSite reports whether every browser would send Sec-Fetch-Site with r. They do over
// TLS and to this machine (Fetch Metadata, section 2; Secure Contexts, section 3.1). Over plain
// http to another machine no browser does, not even for the page's own requests, so there only
// SameSite and Cross-Origin-Resource-Policy keep other sites out.
func browsersSendSite(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	ip, err := netip.ParseAddr(host)
	return r.TLS != nil || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
