package server

import (
	"net"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	b := serve(t, Options{AllowHosts: []string{"logs.example"}, AllowOrigins: []string{"https://friend.example"}})
	_, port, _ := net.SplitHostPort(b.addr)
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for _, tt := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:" + port, "", 200},
		{"localhost:" + port, "", 200},
		{"LOCALHOST:" + port, "", 200},
		{"[::1]:" + port, "", 200},
		{"logs.example", "", 200},
		{"logs.example", "https://logs.example", 200},
		{"localhost:" + port, "http://localhost:" + port, 200},
		{"localhost:" + port, "http://127.0.0.1:" + port, 200},
		{"localhost:" + port, "https://friend.example", 200},
		{"localhost", "", 421},
		{"localhost:1", "", 421},
		{"evil.example:" + port, "", 421},
		{"evil.example:" + port, "http://evil.example:" + port, 421},
		{"localhost.evil.example:" + port, "", 421},
		{"logs.example:" + port, "", 421},
		{"localhost:" + port, "null", 403},
		{"localhost:" + port, "http://localhost:1", 403},
		{"localhost:" + port, "http://evil.example", 403},
		{"localhost:" + port, "file://localhost:" + port, 403},
		{"localhost:" + port, "https://friend.example.evil.example", 403},
	} {
		headers := []string{"Host", tt.host}
		if tt.origin != "" {
			headers = append(headers, "Origin", tt.origin)
		}
		for _, path := range []string{"/", "/-/status", "/-/healthz"} {
			if resp, body := b.get(path, headers...); resp.StatusCode != tt.want || tt.want != 200 && strings.Contains(body, "epoch") {
				t.Errorf("%s, Host %s, Origin %s: %s, want %d", path, tt.host, tt.origin, resp.Status, tt.want)
			}
		}
		if tt.want == 200 {
			continue
		}
		if resp, _ := b.get("/", append(headers, ws...)...); resp.StatusCode != tt.want {
			t.Errorf("WebSocket, Host %s, Origin %s: %s, want %d", tt.host, tt.origin, resp.Status, tt.want)
		}
	}
}
