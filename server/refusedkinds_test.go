//go:build unix

package server

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
)

// A refusedKind is a kind of request that gets no output. Its head has 16 KiB: start, then
// repeat as often as there is room, then end. In each of them, HOST is the server's host and
// COOKIE the name of its cookie.
type refusedKind struct {
	name               string
	server             *bench
	start, repeat, end string
	want               []int // statuses
	spread             bool  // sent from many addresses, so that more than the first few are checked
}

// request returns the request as bytes.
func (k refusedKind) request() []byte {
	_, port, _ := net.SplitHostPort(k.server.addr)
	fill := strings.NewReplacer("HOST", k.server.addr, "COOKIE", "wsrun_"+port).Replace
	start, repeat, end := fill(k.start), fill(k.repeat), fill(k.end)
	_, body, _ := strings.Cut(end, "\r\n\r\n")
	room := headerBytes - len(start) - len(end) + len(body)
	return []byte(start + strings.Repeat(repeat, room/len(repeat)) + end)
}

// refusedServers are the servers that the requests are sent to.
type refusedServers struct{ token, users, base, allAddresses *bench }

// A kindList is a list of kinds that is being put together.
type kindList struct {
	server *bench // of those that are added
	kinds  []refusedKind
}

func (l *kindList) add(name, start, repeat, end string, want ...int) {
	l.kinds = append(l.kinds, refusedKind{name: name, server: l.server, start: start, repeat: repeat, end: end, want: want})
}

// spread is add, for requests from many addresses.
func (l *kindList) spread(name, start, repeat, end string, want ...int) {
	l.add(name, start, repeat, end, want...)
	l.kinds[len(l.kinds)-1].spread = true
}

// Parts of requests.
const (
	refusedGet  = "GET /a.log HTTP/1.1\r\n"
	refusedHost = "Host: HOST\r\n"
	refusedEnd  = "\r\n\r\n"
	refusedLine = " HTTP/1.1\r\n" + refusedHost // after a target
	refusedHTML = "Accept: text/html\r\n"
)

// cheapest is the name of the first kind, which costs the guard least.
const cheapest = "wrong host"

func refusedKinds(s refusedServers) []refusedKind {
	l := &kindList{server: s.token}
	l.addHosts(s.allAddresses)
	l.addSites()
	l.addQueries()
	l.addHeaders()
	l.addPaths(s.base)
	l.addCredentials(s.users)
	return l.kinds
}

func (l *kindList) addHosts(allAddresses *bench) {
	l.add(cheapest, refusedGet+"Host: evil.example\r\nX: ", "x", refusedEnd, 421)
	l.add("long host", refusedGet+"Host: ", "X", refusedEnd, 421)
	l.add("long host in the target", "GET http://", "%C3%84", "/ HTTP/1.1\r\n"+refusedHost+"\r\n", 421)
	l.add("other scheme", "GET ftp://HOST/", "x", refusedLine+"\r\n", 421)
	l.add("no host", "GET /a.log HTTP/1.0\r\nX: ", "x", refusedEnd, 421)
	server := l.server
	l.server = allAddresses
	_, port, _ := net.SplitHostPort(allAddresses.addr)
	l.add("address of no interface", refusedGet+"Host: 192.0.2.1:"+port+"\r\nX: ", "x", refusedEnd, 421)
	l.add("address with a long zone", refusedGet+"Host: [fe80::1%", "x", "]:"+port+refusedEnd, 421)
	l.server = server
}

func (l *kindList) addSites() {
	const image = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"
	const object = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: object\r\n"
	l.add("long origin", refusedGet+refusedHost+"Origin: http://", "x", refusedEnd, 403)
	l.add("unprintable origin", refusedGet+refusedHost+"Origin: ", "\u202e", refusedEnd, 403)
	l.add("many origins", refusedGet+refusedHost, "Origin: http://HOST\r\n", "\r\n", 403)
	l.add("null origin", refusedGet+refusedHost+"Origin: null\r\nX: ", "x", refusedEnd, 403)
	l.add("cross-site image", "GET /a.log?grep="+slowExprs[0]+refusedLine+image+"X: ", "x", refusedEnd, 403)
	l.add("cross-site object", "GET /a.log?", "embe&", "embed"+refusedLine+refusedHTML+object+"\r\n", 403)
	l.add("many sites", refusedGet+refusedHost, "Sec-Fetch-Site: same-origin\r\n", "\r\n", 403)
}

// slowExprs are expensive to compile: the first one takes half a second and 110 MiB where
// nothing limits it, and the second one is just below the limit.
var slowExprs = []string{"(?:" + strings.Repeat("a?", 505) + "){1000}", strings.Repeat("a{1000}", 9)}

func (l *kindList) addQueries() {
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for i, expr := range slowExprs {
		name := fmt.Sprintf("slow expressions %d", i+1)
		start, repeat := "GET /a.log?tail=1&grep="+expr, "&grep="+expr
		l.add(name, start, repeat, refusedLine+"\r\n", 401)
		l.add(name+", page", start, repeat, refusedLine+refusedHTML+"\r\n", 200)
		l.add(name+", events", start, repeat, refusedLine+"Accept: text/event-stream\r\n\r\n", 401)
		l.add(name+", WebSocket", start, repeat, refusedLine+upgrade+"\r\n", 401)
	}
	l.add("many parameters", "GET /a.log?", "a&b=&c&", "grep=a"+refusedLine+"\r\n", 401)
	l.add("many formats", "GET /a.log?", "format&", "format=raw"+refusedLine+"\r\n", 401)
	l.add("bad escapes", "GET /a.log?", "%zz&", refusedLine+"\r\n", 401)
}

func (l *kindList) addHeaders() {
	l.add("long accept", refusedGet+refusedHost+"Accept: ", "a,", refusedEnd, 401)
	l.add("many accepts", refusedGet+refusedHost, "Accept: *\r\n", "\r\n", 401)
	l.add("weights of zero", refusedGet+refusedHost+"Accept: ", "text/html;q=0,", refusedEnd, 401)
	l.add("tiny weights, page", refusedGet+refusedHost+"Accept: ", "text/html;q=2e-324,", refusedEnd, 200)
	l.add("long upgrade", refusedGet+refusedHost+"Connection: Upgrade\r\nUpgrade: ", "websocket;q=0,", refusedEnd, 401)
	l.add("other method", "PROPFIND /a.log HTTP/1.1\r\n"+refusedHost+"X: ", "x", refusedEnd, 401)
	l.add("body", "POST /a.log HTTP/1.1\r\n"+refusedHost+"Content-Length: 6\r\nX: ", "x", refusedEnd+"grep=a", 401)
}

func (l *kindList) addPaths(base *bench) {
	l.add("dots in the path", "GET ", "/..", refusedLine+"\r\n", 401)
	l.add("slashes in the path", "GET ", "/", refusedLine+"\r\n", 401)
	l.add("escapes in the path", "GET ", "/%2e%2F", refusedLine+"\r\n", 401)
	l.add("folders in the path, page", "GET ", "/a", refusedLine+refusedHTML+"\r\n", 404)
	l.add("slashes in the path, page", "GET ", "/", refusedLine+refusedHTML+"\r\n", 307)
	l.add("no such file of the page", "GET /-/static/x/", "a/", refusedLine+"Accept-Encoding: gzip\r\n\r\n", 404, 307)
	server := l.server
	l.server = base
	l.add("beside the base", refusedGet+refusedHost+refusedHTML+"X: ", "x", refusedEnd, 401)
	l.add("long path beside the base", "GET /logs", "/x", refusedLine+refusedHTML+"\r\n", 404)
	l.server = server
}

func (l *kindList) addCredentials(users *bench) {
	const form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\ntoken=x"
	l.add("no token", refusedGet+refusedHost+"X: ", "x", refusedEnd, 401)
	l.add("many cookies", refusedGet+refusedHost+"Cookie: ", ";", refusedEnd, 401)
	l.add("other cookies", refusedGet+refusedHost+"Cookie: ", "a=b; ", refusedEnd, 401)
	l.add("wrong cookies", refusedGet+refusedHost+"Cookie: ", "COOKIE=x; ", refusedEnd, 401)
	l.add("long cookie", refusedGet+refusedHost+"Cookie: COOKIE=", "x", refusedEnd, 401)
	l.add("other scheme of Authorization", refusedGet+refusedHost+"Authorization: Basic ", "eHg6", refusedEnd, 401)
	l.add("wrong token", refusedGet+refusedHost+"Authorization: Bearer ", "x", refusedEnd, 401, 429)
	l.spread("wrong token, many addresses", refusedGet+refusedHost+"Authorization: Bearer ", "x", refusedEnd, 401, 429)
	l.spread("wrong log-in, many addresses", "POST /-/login?", "a&b&", refusedLine+form, 401, 429)
	l.server = users
	wrong := "COOKIE=" + base64.RawURLEncoding.EncodeToString([]byte("ann")) + "." + strings.Repeat("0", 64) + "; "
	l.add("wrong password", refusedGet+refusedHost+"Authorization: Basic ", "YW5uOmVl", refusedEnd, 401, 429, 503)
	l.add("wrong cookies of a user", refusedGet+refusedHost+"Cookie: ", wrong, refusedEnd, 401)
	l.add("long cookies of no user", refusedGet+refusedHost+"Cookie: ", "COOKIE="+strings.Repeat("x", 1<<10)+"; ", refusedEnd, 401)
}
