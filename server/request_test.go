package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsrun/filetail"
	"wsrun/internal/logs"
)

// FuzzRequest sends any target and headers to wsrun files. No response may contain anything
// from outside the served folder, or redirect the client to another site.
func FuzzRequest(f *testing.F) {
	const inside, outside = "inside\n", "OUTSIDE\n"
	base, err := filepath.EvalSymlinks(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	folder := filepath.Join(base, "logs")
	for name, content := range map[string]string{
		"logs/a.log": inside, "logs/sub/b.html": inside, "logs/.hidden": outside, "secret": outside, "logs-secret/a.log": outside,
	} {
		name = filepath.Join(base, name)
		os.MkdirAll(filepath.Dir(name), 0o700)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out": "../secret", "dir": "..", "abs": filepath.Join(base, "secret")} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			f.Fatal(err)
		}
	}
	root, err := filetail.NewRoot(folder)
	if err != nil {
		f.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	var log panics
	srv := New(Options{
		Catalog: Files(logs.New(logs.Options{Root: root, Lines: 10, Bytes: 1 << 10})), Addr: l.Addr(),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	go srv.Serve(l)
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		srv.Shutdown(ctx)
		root.Close()
	})

	for _, target := range []string{
		"/", "/a.log", "LOGS/a.log", "LOGS/sub/b.html", "LOGS/.hidden", "LOGS/out", "LOGS/abs", "LOGS/dir/secret",
		"LOGS/../secret", "LOGS/%2e%2e/secret", "LOGS%2f..%2fsecret", "LOGS/..;/secret", "LOGS/..%5csecret", "LOGS//a.log",
		"//evil.example/..", "//evil.example/%2e%2e",
		"/\\evil.example", "http://evil.example/", "*", "LOGS-secret/a.log", "LOGS/a.log%00", "LOGS/a.log?format=raw",
		"LOGS/a.log?tail=1", "LOGS/a.log?n=0&grep=i", "LOGS/a.log?grep=(", "LOGS/a.log?format=text&n=x",
		"LOGS/a.log?epoch=x&offset=1&tail=1",
		"/-/status", "/-/../LOGS/a.log", "/-/static/../../secret", "/-/qr?text=x", "/-/login", "/-", "/%2d/status",
	} {
		f.Add(target, "*/*", "")
		f.Add(target, "text/html", "Last-Event-ID: 3-x")
		f.Add(target, "text/event-stream", "Range: bytes=-5,0-0,9-")
	}
	f.Add("LOGS/a.log", "text/event-stream", "Last-Event-ID: 9223372036854775807")
	f.Add("LOGS/a.log", "*/*", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	f.Fuzz(func(t *testing.T, target, accept, header string) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Skip(err) // out of ports, perhaps
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close, Upgrade\r\nAccept: %s\r\n%s\r\n\r\n",
			strings.ReplaceAll(target, "LOGS", folder), l.Addr(), accept, header)
		c.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(c)
		if os.IsTimeout(err) {
			t.Fatalf("no end of the answer %q", answer)
		}
		if log.n.Load() > 0 {
			t.Fatal("a panic")
		}
		if bytes.Contains(answer, []byte(strings.TrimSpace(outside))) && !strings.Contains(target+header, strings.TrimSpace(outside)) {
			t.Errorf("%q", answer)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			return
		}
		if to := resp.Header.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
			strings.HasPrefix(to, "/\\")) {
			t.Errorf("led to %q", to)
		}
		for name, values := range resp.Header {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%s: %q", name, values)
			}
		}
		if resp.StatusCode != 400 && resp.StatusCode < 500 && resp.StatusCode != 431 &&
			resp.Header.Get("X-Content-Type-Options") != "nosniff" && resp.StatusCode != 101 {
			t.Errorf("%d without nosniff: %v", resp.StatusCode, resp.Header)
		}
		if resp.StatusCode == 200 && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") &&
			!strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("HTML without a policy: %v", resp.Header)
		}
	})
}
