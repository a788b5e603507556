//go:build linux

package server

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"wsrun/static"
)

// A costKind says when a response ends.
type costKind int

const (
	atOnce  costKind = iota // it is small, and never waits
	gated                   // on its own, once the gate has let it in; there may be no room
	endless                 // with its stream
	scarce                  // with its stream, which may have no room, and may take long to begin
)

// A costRow is a request whose clients TestCost lets vanish and trickle.
type costRow struct {
	name   string
	on     string // the server: lines, full or files
	path   string // and query, in which costProcess.names replaces what is in capitals, and a number EACH for each client
	kind   costKind
	method string // the default is GET
	header string
	status int // expected; the default is 200
}

const (
	wantsPage   = "Accept: text/html\r\n"
	wantsEvents = "Accept: text/event-stream\r\n"
	wantsJSON   = "Accept: application/json\r\n"
	wantsRest   = "Range: bytes=1000-\r\n"
	isForm      = "Content-Type: application/x-www-form-urlencoded\r\n"
	upgrades    = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	upgradesV1  = upgrades + "Sec-WebSocket-Protocol: wsrun.v1\r\n"
	deflates    = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
)

// costRows must have a row for each route, for each form of each target, for each kind of catalog and stream,
// and for each parameter and each of its values: TestEveryRouteHasARow checks that.
var costRows = []costRow{
	{name: "text", on: "lines", path: "/?tail=0", kind: gated},
	{name: "last lines", on: "lines", path: "/?n=1000", kind: gated},
	{name: "raw", on: "lines", path: "/?format=raw&tail=false", kind: gated},
	{name: "text, followed", on: "lines", path: "/?tail=1", kind: endless},
	{name: "text in a browser, followed", on: "lines", path: "/?tail=1&format=text", header: wantsPage, kind: endless},
	{name: "raw, followed", on: "lines", path: "/?tail=1&format=raw", kind: endless},
	{name: "events", on: "lines", path: "/", header: wantsEvents, kind: endless},
	{name: "events, resumed", on: "lines", path: "/?epoch=EPOCH&n=10", header: wantsEvents + "Last-Event-ID: 1\r\n", kind: endless},
	{name: "page", on: "lines", path: "/", header: wantsPage},
	{name: "page in a frame", on: "lines", path: "/?embed", header: wantsPage},
	{name: "wsrun.v1", on: "lines", path: "/", header: upgradesV1, kind: endless},
	{name: "wsrun.v1, deflated", on: "lines", path: "/?deflate=1", header: upgradesV1 + deflates, kind: endless},
	{name: "wsrun.v1, not deflated", on: "lines", path: "/?deflate=0", header: upgradesV1 + deflates, kind: endless},
	{name: "wsrun.v1, resumed", on: "lines", path: "/?epoch=EPOCH&offset=OFFSET", header: upgradesV1, kind: endless},
	{name: "plain", on: "lines", path: "/?deflate=false", header: upgrades, kind: endless},
	{name: "plain, deflated", on: "lines", path: "/?deflate=true", header: upgrades + deflates, kind: endless},
	{name: "a bad number", on: "lines", path: "/?n=x", status: 400},
	{name: "lines from a line on", on: "lines", path: "/?from=2&n=100000&times=0", kind: gated},
	{name: "lines from a line on, with times", on: "lines", path: "/?from=2&times=1", kind: gated},
	{name: "raw from a line on", on: "lines", path: "/?from=2&n=100000&format=raw", kind: gated},
	{name: "lines from a time on, followed", on: "lines", path: "/?at=-1h&tail=1&times=true", kind: endless},
	{name: "events from a line on", on: "lines", path: "/?from=2", header: wantsEvents, kind: endless},
	{name: "wsrun.v1 from a line on", on: "lines", path: "/?from=2", header: upgradesV1, kind: endless},
	{name: "filtered", on: "lines", path: "/?grep=okk&invert=true&context=2&times=false", kind: gated},
	{name: "last lines of those filtered", on: "lines", path: "/?grep=ok&n=1000&invert=0", kind: gated},
	{name: "filtered, followed", on: "lines", path: "/?tail=1&grep=ts|ok.not&context=1", kind: endless},
	{name: "filtered events", on: "lines", path: "/?grep=ts|ok.not", header: wantsEvents, kind: endless},
	{name: "filtered wsrun.v1", on: "lines", path: "/?grep=ts|ok.not", header: upgradesV1, kind: endless},
	{name: "filtered plain", on: "lines", path: "/?grep=ts|ok.not&n=10", header: upgrades, kind: endless},
	{name: "records", on: "lines", path: "/?format=ndjson", kind: gated},
	{name: "records, followed", on: "lines", path: "/?format=ndjson&tail=1", kind: endless},
	{name: "slice", on: "lines", path: "/?format=slice&from=1&n=10000", kind: gated},
	{name: "slice up to a time", on: "lines", path: "/?format=slice&at=-1h&until=2100-01-01T00:00:00Z", kind: gated},
	{name: "hits", on: "lines", path: "/?format=hits&grep=ok&back=0", kind: gated},
	{name: "hits upwards", on: "lines", path: "/?format=hits&grep=ok&back=1", kind: gated},
	{name: "hits of other lines", on: "lines", path: "/?format=hits&grep=okk&invert=1&back=true", kind: gated},
	{name: "no hits", on: "lines", path: "/?format=hits&grep=(?:[a-z+,]?){1000}[QZ]&back=false", kind: gated},
	{name: "status of the stream", on: "lines", path: "/?format=status"},
	{name: "another method", on: "lines", path: "/", method: "POST", status: 405},
	{name: "no stream", on: "lines", path: "/nothing", status: 404},

	{name: "text", on: "full", path: "/", kind: gated},
	{name: "raw", on: "full", path: "/?format=raw", kind: gated},
	{name: "text, followed", on: "full", path: "/?tail=true", kind: endless},
	{name: "events", on: "full", path: "/", header: wantsEvents, kind: endless},
	{name: "wsrun.v1", on: "full", path: "/", header: upgradesV1, kind: endless},
	{name: "wsrun.v1, deflated", on: "full", path: "/", header: upgradesV1 + deflates, kind: endless},
	{name: "plain", on: "full", path: "/", header: upgrades, kind: endless},
	{name: "plain, deflated", on: "full", path: "/", header: upgrades + deflates, kind: endless},

	{name: "last lines", on: "files", path: "DIR/big.log", kind: gated},
	{name: "all lines", on: "files", path: "DIR/big.log?n=all", kind: gated},
	{name: "raw", on: "files", path: "DIR/big.log?format=raw", kind: gated},
	{name: "range of raw", on: "files", path: "DIR/big.log?format=raw", header: wantsRest, kind: gated, status: 206},
	{name: "raw last lines", on: "files", path: "DIR/big.log?format=raw&n=100000", kind: gated},
	{name: "filtered", on: "files", path: "DIR/big.log?grep=7+line&n=all&invert=0", kind: gated},
	{name: "filtered, nothing left", on: "files", path: "DIR/big.log?grep=line&invert=1", kind: gated},
	{name: "filtered, with context", on: "files", path: "DIR/big.log?grep=7+line&n=all&context=3", kind: gated},
	{name: "last lines of those filtered, with context", on: "files", path: "DIR/big.log?grep=7+line&n=10000&context=3", kind: gated},
	{name: "lines from a line on", on: "files", path: "DIR/big.log?from=1000", kind: gated},
	{name: "filtered slowly from a line on", on: "files", path: "DIR/big.log?from=1000&grep=(?:[a-z+,]?){1000}[QZ]", kind: gated},
	{name: "records", on: "files", path: "DIR/big.log?format=ndjson&n=all", kind: gated},
	{name: "wsrun.v1 from a line on", on: "files", path: "DIR/big.log?from=1000", header: upgradesV1, kind: gated},
	{name: "status of a file", on: "files", path: "DIR/big.log?format=status"},
	{name: "page", on: "files", path: "DIR/big.log", header: wantsPage},
	{name: "wsrun.v1 of what is stored", on: "files", path: "DIR/big.log?n=all", header: upgradesV1, kind: gated},
	{name: "plain of what is stored", on: "files", path: "DIR/big.log?n=all", header: upgrades, kind: gated},
	{name: "text, followed", on: "files", path: "OWN/grow.log?tail=1", kind: endless},
	{name: "raw, followed", on: "files", path: "OWN/grow.log?tail=1&format=raw", kind: endless},
	{name: "filtered, followed", on: "files", path: "OWN/grow.log?tail=1&grep=ts|7+line", kind: endless},
	{name: "events", on: "files", path: "OWN/grow.log", header: wantsEvents, kind: endless},
	{name: "filtered events", on: "files", path: "OWN/grow.log?grep=ts|7+line", header: wantsEvents, kind: endless},
	{name: "wsrun.v1, followed", on: "files", path: "OWN/grow.log?tail=1", header: upgradesV1 + deflates, kind: endless},
	{name: "plain, followed", on: "files", path: "OWN/grow.log?tail=1", header: upgrades, kind: endless},
	{name: "filtered from the start, followed", on: "files", path: "DIR/big.log?tail=1&grep=(EACH|line).*[xyz]$", header: upgradesV1, kind: scarce},
	{name: "filtered events from the start", on: "files", path: "DIR/big.log?grep=(EACH|line).*[xyz]$", header: wantsEvents, kind: scarce},
	{name: "filtered slowly", on: "files", path: "DIR/big.log?n=all&grep=(?:[a-z+,]?){1000}Q", kind: gated},
	{name: "filtered slowly, followed", on: "files", path: "DIR/big.log?tail=1&grep=(?:EACH|)(?:[a-z+,]?){999}(?:[a-z+,]?){999}(?:[a-z+,]?){999}(?:[a-z+,]?){999}Q", header: upgradesV1, kind: scarce},
	{name: "no line ends", on: "files", path: "DIR/sparse.log", kind: gated},
	{name: "no line ends, all", on: "files", path: "DIR/sparse.log?n=all", kind: gated},
	{name: "no line ends, raw", on: "files", path: "DIR/sparse.log?format=raw", kind: gated},
	{name: "range of no line ends, raw", on: "files", path: "DIR/sparse.log?format=raw", header: wantsRest, kind: gated, status: 206},
	{name: "no line ends, filtered", on: "files", path: "DIR/sparse.log?grep=x", kind: gated},
	{name: "from a line on, followed", on: "files", path: "DIR/big.log?from=1000&tail=1", kind: endless},
	{name: "everything, followed", on: "files", path: "DIR/big.log?n=all&tail=1", header: upgradesV1, kind: endless},
	{name: "events from a line on", on: "files", path: "DIR/big.log?from=1000", header: wantsEvents, kind: endless},
	{name: "filtered with context, followed", on: "files", path: "DIR/big.log?from=1000&tail=1&grep=7+line&context=3", kind: endless},
	{name: "slice of a file", on: "files", path: "DIR/big.log?format=slice&from=1000&n=10000", kind: gated},
	{name: "hits in a file", on: "files", path: "DIR/big.log?format=hits&grep=7+line", kind: gated},
	{name: "hits in a file, slowly", on: "files", path: "DIR/big.log?format=hits&grep=(?:[a-z+,]?){1000}[QZ]", kind: gated},
	{name: "no line ends, hits", on: "files", path: "DIR/sparse.log?format=hits&grep=x", kind: gated},
	{name: "no line ends, from a line on", on: "files", path: "DIR/sparse.log?from=2&tail=1", kind: scarce},
	{name: "no line ends, followed", on: "files", path: "DIR/sparse.log?tail=1", header: upgradesV1, kind: endless},

	{name: "last lines of an archive", on: "files", path: "DIR/old.gz", kind: gated},
	{name: "archive", on: "files", path: "DIR/old.gz?n=all", kind: gated},
	{name: "archive from a line on", on: "files", path: "DIR/old.gz?from=1000", kind: gated},
	{name: "raw archive", on: "files", path: "DIR/old.gz?format=raw", kind: gated},
	{name: "range of raw archive", on: "files", path: "DIR/old.gz?format=raw", header: wantsRest, kind: gated, status: 206},
	{name: "filtered archive", on: "files", path: "DIR/old.gz?grep=nothing&invert=false", kind: gated},
	{name: "wsrun.v1 of an archive", on: "files", path: "DIR/old.gz?n=all", header: upgradesV1, kind: gated},
	{name: "page of an archive", on: "files", path: "DIR/old.gz", header: wantsPage},
	{name: "events of an archive", on: "files", path: "DIR/old.gz", header: wantsEvents, status: 400},

	{name: "list", on: "files", path: "/", kind: gated},
	{name: "list as JSON", on: "files", path: "/", header: wantsJSON, kind: gated},
	{name: "page of the list", on: "files", path: "/", header: wantsPage},
	{name: "changes as text", on: "files", path: "/?tail=1", kind: endless},
	{name: "changes as events", on: "files", path: "/", header: wantsEvents, kind: endless},
	{name: "changes by wsrun.v1", on: "files", path: "/?n=0", header: upgradesV1 + deflates, kind: endless},
	{name: "a filter for the list", on: "files", path: "/?tail=1&grep=x", status: 400},
	{name: "no file", on: "files", path: "DIR/nothing", status: 404},

	{name: "health", on: "lines", path: "/-/healthz"},
	{name: "status", on: "lines", path: "/-/status"},
	{name: "status", on: "files", path: "/-/status"},
	{name: "metrics", on: "lines", path: "/-/metrics"},
	{name: "metrics", on: "files", path: "/-/metrics"},
	{name: "static", on: "lines", path: "/-/static/" + static.Digest() + "/xterm/xterm.mjs"},
	{name: "QR code", on: "lines", path: "/-/qr?text=" + strings.Repeat("x", maxQR)},
	{name: "login", on: "lines", path: "/-/login", method: http.MethodPost, header: isForm, status: 204},
	{name: "no service", on: "lines", path: "/-/nothing", status: 404},
}

// A transport is how clients send their requests.
type transport int

const (
	http11 transport = iota
	http10
	pipelined // three requests in one write
	headed    // HEAD instead of GET
	encrypted
	proxied
	local      // a Unix socket
	transports // the number of transports
)

func (v transport) String() string {
	return [...]string{"HTTP 1.1", "HTTP 1.0", "pipelined", "HEAD", "TLS", "behind a proxy", "Unix socket"}[v]
}

// mayWait reports whether some clients may have to wait, or be sent away.
func (r costRow) mayWait() bool { return r.kind == gated || r.kind == scarce }

// isWebSocket reports whether the row's clients ask for one.
func (r costRow) isWebSocket() bool { return strings.HasPrefix(r.header, upgrades) }

// supports returns the transports of a row, HTTP/1.1 first.
func (r costRow) supports() (all []transport) {
	for v := range transports {
		switch v {
		case http10, pipelined:
			if r.isWebSocket() {
				continue
			}
		case headed:
			if r.isWebSocket() || r.method != "" {
				continue
			}
		}
		all = append(all, v)
	}
	return all
}

// turn returns the transport of the row with an index when each has just one: every other row has
// HTTP/1.1.
func (r costRow) turn(index int) transport {
	if index%2 == 0 {
		return http11
	}
	others := r.supports()[1:]
	return others[index/2%len(others)]
}

// request returns what a client sends. last are further header lines of its last request.
func (r costRow) request(via transport, path, host, last string) string {
	method, version, header := cmp.Or(r.method, http.MethodGet), "1.1", r.header
	switch via {
	case http10:
		version = "1.0"
	case headed:
		method = http.MethodHead
	}
	body := ""
	if method == http.MethodPost {
		body = "token=x"
		header += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	one := func(more string) string {
		return fmt.Sprintf("%s %s HTTP/%s\r\nHost: %s\r\n%s%s\r\n%s", method, path, version, host, header, more, body)
	}
	if via == pipelined {
		return strings.Repeat(one(""), 2) + one(last)
	}
	return one(last)
}

// want returns the expected status.
func (r costRow) want() int {
	if r.isWebSocket() {
		return cmp.Or(r.status, http.StatusSwitchingProtocols)
	}
	return cmp.Or(r.status, http.StatusOK)
}
