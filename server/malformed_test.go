package server

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/watch"
)

// TestBadWebSockets sends malformed handshakes and frames. Each is refused, and none affects
// a well-behaved viewer.
func TestBadWebSockets(t *testing.T) {
	b := serve(t, Options{})
	good := b.dial("", protocol.Subprotocol)
	for name, tt := range map[string]struct {
		request string
		want    int
	}{
		"no key":        {peer.Upgrade(b.addr, "Sec-WebSocket-Key", "X"), 400},
		"short key":     {peer.Upgrade(b.addr, "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400},
		"old version":   {peer.Upgrade(b.addr, "Version: 13", "Version: 8"), 400},
		"no connection": {peer.Upgrade(b.addr, "Connection: Upgrade", "Connection: close"), 426},
		"POST":          {peer.Upgrade(b.addr, "GET", "POST", "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"), 405},
		"HTTP/1.0":      {peer.Upgrade(b.addr, "HTTP/1.1", "HTTP/1.0"), 426},
		"no host":       {peer.Upgrade(b.addr, "Host: ", "X-Host: "), 400},
		"noise":         {"\x16\x03\x01\x02\x00\r\n\r\n", 400},
		"a long head":   {peer.Upgrade(b.addr, "Sec-WebSocket-Version", "X: "+strings.Repeat("x", 64<<10)+"\r\nSec-WebSocket-Version"), 431},
	} {
		if resp := b.raw(tt.request); resp == nil || resp.StatusCode != tt.want {
			t.Errorf("%s: %v, want %d", name, resp, tt.want)
		}
	}
	mask := "\x00\x00\x00\x00"
	for name, tt := range map[string]struct {
		frame string
		want  uint16
	}{
		"unmasked":            {"\x81\x02hi", 0},
		"reserved bit":        {"\xc1\x82" + mask + "hi", 1002},
		"reserved opcode":     {"\x83\x82" + mask + "hi", 1002},
		"continues nothing":   {"\x80\x82" + mask + "hi", 1002},
		"fragmented ping":     {"\x09\x82" + mask + "hi", 1002},
		"long ping":           {"\x89\xfe\x00\x7e" + mask + strings.Repeat("x", 126), 1002},
		"text":                {"\x81\x82" + mask + "hi", 1008},
		"half a message":      {"\x01\x82" + mask + "hi", 1008},
		"never ends":          {"\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00" + mask + "abc", 1008},
		"said to be enormous": {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + mask, 1008},
		"leaves":              {"\x88\x82" + mask + "\x03\xe8", 1000},
		"leaves, oddly":       {"\x88\x82" + mask + "\x03\xec", 1002},
	} {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, peer.Upgrade(b.addr)+tt.frame)
		r := bufio.NewReader(c)
		if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s: %v, %v", name, resp, err)
		}
		head := make([]byte, 4)
		if _, err := io.ReadFull(r, head); tt.want == 0 && err == io.EOF {
			// cut off
		} else if err != nil || head[0] != protocol.FinBit|protocol.OpClose || binary.BigEndian.Uint16(head[2:]) != tt.want {
			t.Errorf("%s: answered with %q, %v; want a close frame with %d", name, head, err, tt.want)
		}
		c.Close()
	}
	b.Write([]byte("unharmed"))
	b.end(0)
	if r, err := watch.Viewer(good, -1); err != nil || string(r.Data) != "unharmed" || r.Code != 1000 {
		t.Errorf("the good viewer: %+v, %v", r, err)
	}
}
