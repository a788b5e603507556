//go:build linux

package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// example returns a file of docs/examples in which pairs of old and new text, given in instead,
// are replaced. Each old text must be there.
func example(t *testing.T, name string, instead ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(instead); i += 2 {
		if !strings.Contains(text, instead[i]) {
			t.Fatalf("%s: no %q", name, instead[i])
		}
		text = strings.ReplaceAll(text, instead[i], instead[i+1])
	}
	return text
}

// freePort returns a free port. The port is below those that the kernel assigns to connections
// (ip(7), ip_local_port_range), so no connection can take it before it is used.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// need returns the path of a program, which make deps installs.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: make deps", name)
	}
	return path
}

// behind runs a proxy until the end of the test, and waits until it answers the URL ready. It
// returns a client that trusts the proxy and finds logs.example there.
func behind(t *testing.T, port, ready string, cmd *exec.Cmd) *http.Client {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill() // a graceful end would wait for the connections
		<-ended
	})
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "logs.example"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Transport: transport, Jar: jar}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get(ready)
		if err == nil {
			resp.Body.Close()
			return client
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the proxy ended: %v, %s", err, said.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("the proxy doesn't answer: %v, %s", err, said.String())
		}
	}
}

// through checks that the page, the log-in, WebSockets and text work through a proxy that serves
// r at the URL base.
func through(t *testing.T, client *http.Client, base string, r *instance) {
	t.Helper()
	get := func(path string, headers ...string) (*http.Response, string) {
		t.Helper()
		req, _ := http.NewRequest("GET", base+path, nil)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	same := []string{"Sec-Fetch-Site", "same-origin"}
	resp, page := get("", "Accept", "text/html")
	if resp.StatusCode != 200 || !strings.Contains(page, "<!doctype") || resp.Header.Get("X-Frame-Options") != "DENY" {
		t.Fatalf("the page: %s, %v", resp.Status, resp.Header)
	}
	script := regexp.MustCompile(`src="\./(-/static/[^"]*/app\.js)"`).FindStringSubmatch(page)
	if script == nil {
		t.Fatal("the page has no script")
	}
	if resp, _ := get(script[1]); resp.StatusCode != 200 {
		t.Errorf("the page's script: %s", resp.Status)
	}
	if resp, _ := get("-/status", same...); resp.StatusCode != 401 {
		t.Errorf("without a token: %s", resp.Status)
	}
	login := func(origin string) *http.Response {
		req, _ := http.NewRequest("POST", base+"-/login", strings.NewReader("token=sesame"))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if resp := login("https://evil.example"); resp.StatusCode != 403 {
		t.Errorf("log in from elsewhere: %s", resp.Status)
	}
	if resp := login("https://logs.example"); resp.StatusCode != 204 || len(resp.Cookies()) != 1 || !resp.Cookies()[0].Secure {
		t.Fatalf("log in: %s, %v", resp.Status, resp.Cookies())
	}
	if resp, body := get("-/status", same...); resp.StatusCode != 200 || !strings.Contains(body, "epoch") {
		t.Errorf("with the cookie: %s", resp.Status)
	}
	if resp, _ := get("-/status", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 {
		t.Errorf("from elsewhere: %s", resp.Status)
	}
	for origin, want := range map[string]int{"https://evil.example": 403, "https://logs.example": 101} {
		c, resp, err := websocket.Dial(t.Context(), base, &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {origin}}})
		if resp == nil || resp.StatusCode != want {
			t.Fatalf("WebSocket from %s: %v", origin, err)
		}
		if err != nil {
			continue
		}
		defer c.CloseNow()
		if _, p, err := c.Read(t.Context()); string(p) != "first\r\n" || err != nil {
			t.Errorf("WebSocket: %q, %v", p, err)
		}
		// Lines must arrive before the response ends.
		req, _ := http.NewRequest("GET", base+"?tail=1", nil)
		req.Header.Set("Authorization", "Bearer sesame")
		tail, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer tail.Body.Close()
		lines := bufio.NewReader(tail.Body)
		for _, want := range []string{"first\n", "second\n"} {
			if line, err := lines.ReadString('\n'); line != want || err != nil {
				t.Errorf("text: %q, %v; want %q", line, err, want)
			}
			if want == "first\n" {
				io.WriteString(r.Stdin, "\n")
			}
		}
		if _, p, err := c.Read(t.Context()); string(p) != "second\r\n" || err != nil {
			t.Errorf("WebSocket: %q, %v", p, err)
		}
	}
}

// spoken is a script that prints a second line when it gets a first.
const spoken = "stty -echo </dev/tty; echo first; read x; echo second; read x"

func TestNginx(t *testing.T) {
	nginx := need(t, "nginx")
	r := start(t, "--allow-host", "logs.example", "--base-path", "/make/", "--token", "sesame", "sh", "-c", spoken)
	dir, port := t.TempDir(), freePort(t)
	cert, key := certify(t)
	site := example(t, "nginx.conf", "listen 443 ssl", "listen 127.0.0.1:"+port+" ssl", "127.0.0.1:9000", r.addr,
		"/etc/ssl/logs.example.pem", cert, "/etc/ssl/logs.example.key", key)
	os.WriteFile(filepath.Join(dir, "site.conf"), []byte(site), 0o600)
	main := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr; events {} http { access_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	os.WriteFile(filepath.Join(dir, "main.conf"), []byte(main+"include "+dir+"/site.conf;\n}\n"), 0o600)
	client := behind(t, port, "https://logs.example/", exec.Command(nginx, "-p", dir, "-c", filepath.Join(dir, "main.conf")))
	through(t, client, "https://logs.example/make/", r)
}

func TestCaddy(t *testing.T) {
	caddy := need(t, "caddy")
	r := start(t, "--allow-host", "logs.example", "--token", "sesame", "sh", "-c", spoken)
	dir, port := t.TempDir(), freePort(t)
	cert, key := certify(t)
	site := example(t, "Caddyfile", "\nlogs.example {", "\nhttps://logs.example:"+port+" {\n\ttls "+cert+" "+key, "127.0.0.1:9000", r.addr)
	config := filepath.Join(dir, "Caddyfile")
	os.WriteFile(config, []byte("{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\tauto_https off\n\tskip_install_trust\n}\n"+site), 0o600)
	cmd := exec.Command(caddy, "run", "--config", config, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	client := behind(t, port, "https://logs.example/", cmd)
	through(t, client, "https://logs.example/make/", r)
}

// TestUnits checks that systemd accepts the example units, and that wsrun accepts the service's
// command line.
func TestUnits(t *testing.T) {
	dir := t.TempDir()
	list := users(t, "ann", "pw")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service := example(t, "wsrun.service", "/usr/local/bin/wsrun", self)
	os.WriteFile(filepath.Join(dir, "wsrun.service"), []byte(service), 0o600)
	os.WriteFile(filepath.Join(dir, "wsrun.socket"), []byte(example(t, "wsrun.socket")), 0o600)
	out, err := exec.Command(need(t, "systemd-analyze"), "verify", filepath.Join(dir, "wsrun.service"),
		filepath.Join(dir, "wsrun.socket")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze: %v, %s", err, out)
	}

	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(service)
	args := strings.Fields(strings.Replace(start[1], "%d/users", list, 1))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := wsrun()
	cmd.Path, cmd.ExtraFiles = "/bin/sh", []*os.File{f}
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh"}, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "s"))
	}}
	defer transport.CloseIdleConnections()
	for password, want := range map[string]int{"pw": 200, "wrong": 401} {
		req, _ := http.NewRequest("GET", "http://anything/", nil)
		req.SetBasicAuth("ann", password)
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", password, resp.Status, want)
		}
	}
}
