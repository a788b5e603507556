package server

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"wsrun/test/peer"
)

// A handshakeCase changes a good request and says how the server responds.
type handshakeCase struct {
	name    string
	instead []string // pairs of old and new text
	want    int      // status
	sub     string   // subprotocol in the response
}

// goodKey is the key in the requests of [peer.Upgrade].
const goodKey = "dGhlIHNhbXBsZSBub25jZQ=="

// A handshakeTable collects handshake cases.
type handshakeTable []handshakeCase

// add adds a case that is answered with a status. The pairs of instead are replaced in a good
// request.
func (t *handshakeTable) add(want int, name string, instead ...string) {
	*t = append(*t, handshakeCase{name, instead, want, ""})
}

// line adds a case with additional header lines.
func (t *handshakeTable) line(want int, lines string) {
	t.add(want, lines, "\r\n\r\n", "\r\n"+lines+"\r\n\r\n")
}

// handshakeCases returns cases for every rule of RFC 6455, section 4.2, on handshakes, and for
// the parts of RFC 7230 and RFC 7692 that it builds on.
func handshakeCases(addr string) []handshakeCase {
	var t handshakeTable
	t.addRequests(addr)
	t.addUpgrades()
	t.addKeys()
	t.addVersions()
	t.addSubprotocols()
	t.addExtensions()
	return t
}

// addRequests changes the request line, the host and the body.
func (t *handshakeTable) addRequests(addr string) {
	t.add(101, "unchanged")
	t.add(101, "lower case", "Host", "host", "Connection", "connection", "Sec-WebSocket-Key", "sec-websocket-key",
		"Sec-WebSocket-Version", "sec-websocket-version")
	t.add(101, "upper case", "Host", "HOST", "Connection", "CONNECTION", "Sec-WebSocket-Key", "SEC-WEBSOCKET-KEY")
	t.add(101, "an absolute target", "GET / ", "GET http://"+addr+"/ ")
	t.add(400, "no host", "Host: "+addr+"\r\n", "")
	t.add(400, "two hosts", "Host: "+addr, "Host: "+addr+"\r\nHost: "+addr)
	t.add(421, "another host", "Host: "+addr, "Host: evil.example")
	t.add(404, "another path", "GET / ", "GET /other ")
	t.add(400, "a bad query", "GET / ", "GET /?n=x ")
	t.add(400, "a space before the colon", "Connection:", "Connection :")
	t.add(400, "a NUL", "Connection: ", "Connection: \x00")
	for _, version := range []string{"HTTP/1.0", "HTTP/0.9"} {
		want := 426
		if version == "HTTP/0.9" {
			want = 505
		}
		t.add(want, version, "HTTP/1.1", version)
	}
	for _, version := range []string{"http/1.1", "HTTP/1.", "HTTP/one", "HTTP 1.1"} {
		t.add(400, version, "HTTP/1.1", version)
	}
	for _, version := range []string{"HTTP/2.0", "HTTP/3.0"} {
		t.add(505, version, "HTTP/1.1", version)
	}
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW"} {
		t.add(405, method, "GET", method)
	}
	t.add(404, "CONNECT", "GET /", "CONNECT "+addr) // an empty path
	t.line(101, "Content-Length: 0")
	// Without this refusal, a body would be parsed as frames.
	for _, body := range []string{
		"Content-Length: 5\r\n\r\nhello", "Content-Length: 8\r\n\r\n\x89\x82\x00\x00\x00\x00hi",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0", "Content-Length: 99999",
	} {
		t.line(400, body)
	}
	t.line(400, "Content-Length: x")
	t.line(400, "Content-Length: -1")
}

// addUpgrades changes the Connection and Upgrade headers.
func (t *handshakeTable) addUpgrades() {
	for _, value := range []string{
		"Upgrade", "upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade, keep-alive", "keep-alive,upgrade",
		"a,b ,\tupgrade\t, c", "Upgrade\r\nConnection: keep-alive", "keep-alive\r\nConnection: Upgrade",
	} {
		t.add(101, "connection "+value, "Connection: Upgrade", "Connection: "+value)
	}
	for _, value := range []string{
		"", "close", "keep-alive", "Upgrad", "Upgradee", "Up grade", "keep-alive Upgrade", "keep-alive; Upgrade", `"Upgrade"`,
	} {
		t.add(426, "connection "+value, "Connection: Upgrade", "Connection: "+value)
	}
	t.add(426, "no connection header", "Connection: Upgrade\r\n", "")
	for _, value := range []string{"websocket", "WebSocket", "WEBSOCKET", "h2c, websocket", "websocket, h2c", "websocket\r\nUpgrade: h2c"} {
		t.add(101, "upgrade "+value, "Upgrade: websocket", "Upgrade: "+value)
	}
	for _, value := range []string{"", "websockets", "web socket", "h2c", "websocket/13", `"websocket"`} {
		// A server may ignore the header (RFC 7230, section 6.7).
		t.add(200, "upgrade "+value, "Upgrade: websocket", "Upgrade: "+value)
	}
	t.add(200, "no upgrade header", "Upgrade: websocket\r\n", "")
}

// addKeys changes the Sec-WebSocket-Key header: 16 bytes in base64.
func (t *handshakeTable) addKeys() {
	t.add(101, "spaces around the key", goodKey, "   "+goodKey+"  ")
	t.add(101, "a key of zeros", goodKey, "AAAAAAAAAAAAAAAAAAAAAA==")
	t.add(101, "a key of ones", goodKey, "/////////////////////w==")
	for name, bad := range map[string]string{
		"an empty": "", "15 bytes": "dGhlIHNhbXBsZSBub25j", "17 bytes": "dGhlIHNhbXBsZSBub25jZWU=", "a byte": "dA==",
		"32 bytes":   "dGhlIHNhbXBsZSBub25jZXRoZSBzYW1wbGUgbm9uY2U=",
		"no padding": "dGhlIHNhbXBsZSBub25jZQ", "half the padding": "dGhlIHNhbXBsZSBub25jZQ=",
		"the other alphabet": "_____________________w==", "no base64": "the sample nonce", "16 characters": "0123456789abcdef",
		"a space within": "dGhlIHNhbX BsZSBub25jZQ==", "two in one": goodKey + ", " + goodKey, "a quoted": `"` + goodKey + `"`,
		"a long": strings.Repeat("A", 4096),
	} {
		t.add(400, name+" key", goodKey, bad)
	}
	t.add(400, "no key", "Sec-WebSocket-Key: "+goodKey+"\r\n", "")
	t.add(400, "two keys", goodKey, goodKey+"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
	t.add(400, "the same key twice", goodKey, goodKey+"\r\nSec-WebSocket-Key: "+goodKey)
}

// addVersions changes the Sec-WebSocket-Version header.
func (t *handshakeTable) addVersions() {
	for _, version := range []string{
		"", "0", "1", "4", "6", "7", "8", "12", "14", "25", "99", "256", "-13", "+13", "13.0", "013", "0xd", "1 3", "13, 8",
		"8, 13", "13, 13", "13;", `"13"`, "x", "13\r\nSec-WebSocket-Version: 8", "8\r\nSec-WebSocket-Version: 13",
		"13\r\nSec-WebSocket-Version: 13",
	} {
		t.add(400, "version "+version, "Version: 13", "Version: "+version)
	}
	t.add(400, "no version", "Sec-WebSocket-Version: 13\r\n", "")
	t.add(101, "spaces around the version", "Version: 13", "Version:   13  ")
}

// addSubprotocols offers subprotocols.
func (t *handshakeTable) addSubprotocols() {
	for _, offer := range []string{
		"wsrun.v1", "wsrun.v1, other", "other, wsrun.v1", "other,wsrun.v1,another", "other\r\nSec-WebSocket-Protocol: wsrun.v1",
		"wsrun.v1\r\nSec-WebSocket-Protocol: other", ", wsrun.v1", "wsrun.v2, wsrun.v1",
	} {
		t.line(101, "Sec-WebSocket-Protocol: "+offer)
		(*t)[len(*t)-1].sub = "wsrun.v1"
	}
	for _, offer := range []string{
		"other", "wsrun.v2", "wsrun", "wsrun.v1x", "xwsrun.v1", "wsrun.v1;q=1", `"wsrun.v1"`, "wsrun v1", "chat, superchat",
		"a\r\nSec-WebSocket-Protocol: b",
	} {
		t.line(101, "Sec-WebSocket-Protocol: "+offer)
	}
}

// addExtensions offers extensions. The response doesn't mention those that are declined (RFC
// 7692, section 5).
func (t *handshakeTable) addExtensions() {
	for _, offer := range []string{
		"", "; server_no_context_takeover", "; client_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover",
		"; client_max_window_bits", "; client_max_window_bits=8", "; client_max_window_bits=15", `; client_max_window_bits="10"`,
		"; server_max_window_bits=8", "; server_max_window_bits=10", "; server_max_window_bits=15",
		"; client_max_window_bits; server_max_window_bits=10", "; client_max_window_bits, permessage-deflate",
		"; server_max_window_bits=8, permessage-deflate; server_max_window_bits=15, permessage-deflate",
		"; server_max_window_bits=7", "; server_max_window_bits=16", "; server_max_window_bits=08", "; server_max_window_bits=x",
		"; server_max_window_bits", "; client_max_window_bits=99", "; client_no_context_takeover=1",
		"; client_max_window_bits; client_max_window_bits", "; unknown", "; unknown=1", ", x-webkit-deflate-frame",
		"\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", ", permessage-bzip2, mux",
	} {
		t.line(101, "Sec-WebSocket-Extensions: permessage-deflate"+offer)
	}
	for _, offer := range []string{
		"PERMESSAGE-DEFLATE", "x-webkit-deflate-frame", "deflate-frame", "permessage-bzip2", "mux; max-channels=4",
		"foo, bar; baz=2",
	} {
		t.line(101, "Sec-WebSocket-Extensions: "+offer)
	}
}

// play plays the case and returns an error if the response isn't as wanted, or if the
// WebSocket doesn't work.
func (tt handshakeCase) play(addr string) error {
	request := peer.Upgrade(addr, tt.instead...)
	s, resp, err := peer.RawDial(addr, request)
	if err != nil {
		return err
	}
	defer s.Close()
	if resp.StatusCode != tt.want {
		return fmt.Errorf("%s, want %d", resp.Status, tt.want)
	}
	h := resp.Header
	if resp.StatusCode == http.StatusBadRequest && strings.Contains(tt.name, "version ") && h.Get("Sec-WebSocket-Version") != "13" {
		// Section 4.4 requires the version.
		return fmt.Errorf("the response doesn't name the supported version: %v", h)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil
	}
	_, key, _ := strings.Cut(strings.ToLower(request), "sec-websocket-key:")
	key, _, _ = strings.Cut(request[len(request)-len(key):], "\r\n")
	sum := sha1.Sum([]byte(strings.TrimSpace(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if got := h.Values("Sec-WebSocket-Accept"); len(got) != 1 || got[0] != base64.StdEncoding.EncodeToString(sum[:]) {
		return fmt.Errorf("Sec-WebSocket-Accept: %q", got)
	}
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") || !strings.EqualFold(h.Get("Connection"), "Upgrade") ||
		h.Get("Sec-WebSocket-Protocol") != tt.sub || h.Values("Sec-WebSocket-Extensions") != nil {
		return fmt.Errorf("%v, want the subprotocol %q and no extension", h, tt.sub)
	}
	s.Write(peer.Masked(finPing, "alive"))
	if err := s.AwaitPong("alive"); err != nil {
		return err
	}
	s.Write(peer.Masked(finClose, peer.StatusBytes(1000)))
	if end, err := s.End(); end != "1000" {
		return fmt.Errorf("ends with %s, %w", end, err)
	}
	return nil
}

func TestHandshakes(t *testing.T) {
	b := serve(t, Options{})
	cases := handshakeCases(b.addr)
	b.everyCase(len(cases), func(i int) {
		if err := cases[i].play(b.addr); err != nil {
			t.Errorf("%q: %v", cases[i].name, err)
		}
	})
	t.Logf("%d cases", len(cases))
}
