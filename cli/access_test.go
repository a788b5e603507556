//go:build unix

package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"wsrun/internal/client"
	"wsrun/test/launch"
)

// certify writes a certificate and its key into a new folder.
func certify(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
	return cert, key
}

// users writes a file of one user.
func users(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	os.WriteFile(path, fmt.Appendf(nil, "%s:%s\n", user, hash), 0o600)
	return path
}

// Bad flags are told before anything is listened on or started, without what is
// secret in them.
func TestBadAccess(t *testing.T) {
	cert, key := certify(t)
	good := users(t, "ann", "x")
	md5 := filepath.Join(t.TempDir(), "md5")
	os.WriteFile(md5, []byte("ann:$2y$05$"+strings.Repeat("x", 53)+"\nbob:$apr1$hushhush$hushhushhushhushhushhu\n"), 0o600)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--token", ""}, "empty"},
		{[]string{"--auth-file", ""}, "empty"},
		{[]string{"--tls-cert", "", "--tls-key", ""}, "empty"},
		{[]string{"--token", "hush\nhush"}, "bad token"},
		{[]string{"--token", " hush"}, "bad token"},
		{[]string{"--token", "hush\x80"}, "bad token"},
		{[]string{"--token", strings.Repeat("hush", 300)}, "bad token: want at most 1024 bytes"},
		{[]string{"--token", "-"}, "standard input has another use here"},
		{[]string{"--token", "hush", "--public"}, "more than one of"},
		{[]string{"--token", "hush", "--auth-file", good}, "more than one of"},
		{[]string{"--auth-file", good, "--public"}, "more than one of"},
		{[]string{"--auth-file", "/no/such"}, `read "/no/such": no such file`},
		{[]string{"--auth-file", md5}, "line 2 has no bcrypt hash"},
		{[]string{"--auth-file", key}, "line 1 is not USER:HASH"},
		{[]string{"--tls-cert", cert}, "need each other"},
		{[]string{"--tls-key", key}, "need each other"},
		{[]string{"--tls-cert", "/no/such", "--tls-key", key}, `read "/no/such": no such file`},
		{[]string{"--tls-cert", cert, "--tls-key", "/no/such"}, `read "/no/such": no such file`},
		{[]string{"--tls-cert", key, "--tls-key", cert}, "use the certificate"},
		{[]string{"--tls-cert", good, "--tls-key", key}, "use the certificate"},
		{[]string{"--base-path", "logs/"}, "bad --base-path"},
		{[]string{"--base-path", "/a/../b/"}, "bad --base-path"},
		{[]string{"--base-path", "/a//b"}, "bad --base-path"},
		{[]string{"--base-path", "/{x}/"}, "bad --base-path"},
		{[]string{"--allow-host", "http://logs.example"}, "bad --allow-host"},
		{[]string{"--allow-host", "a/b"}, "bad --allow-host"},
		{[]string{"--allow-host", "bücher.example"}, "bad --allow-host"},
		{[]string{"--allow-host", "a.example:65536"}, "bad --allow-host"},
		{[]string{"--allow-origin", "https://bücher.example"}, "bad --allow-origin"},
		{[]string{"--allow-origin", "https://a.example:99999999999999999999"}, "bad --allow-origin"},
		{[]string{"--allow-origin", "logs.example"}, "bad --allow-origin"},
		{[]string{"--allow-origin", "null"}, "bad --allow-origin"},
		{[]string{"--allow-origin", "*"}, "bad --allow-origin"},
		{[]string{"--allow-origin", "https://*"}, "bad --allow-origin"},
		{[]string{"--allow-origin", "https://a.example; script-src *"}, "bad --allow-origin"},
	} {
		for _, rest := range [][]string{{"touch", filepath.Join(t.TempDir(), "started")}, {"-"}} {
			_, stderr, code := outcome(wsrun(append(tt.args, rest...)...))
			if code != 125 || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "hush") || strings.Contains(stderr, "http://127") {
				t.Errorf("%q: status %d, %q; want %q", tt.args, code, stderr, tt.want)
			}
			if _, err := os.Stat(rest[len(rest)-1]); err == nil {
				t.Errorf("%q: the command was started", tt.args)
			}
		}
	}
	for _, args := range [][]string{
		{"--allow-origin", "HTTPS://A.Example:443"}, {"--allow-host", "[::1]:80"}, {"--allow-host", "Box"}, {"--allow-host", "my_box.xn--bcher-kva.example:65535"}, {"--base-path", "/a/b"}, {"--base-path", "/"},
	} {
		if _, stderr, code := outcome(wsrun(append(args, "true")...)); code != 0 {
			t.Errorf("%q: status %d, %q", args, code, stderr)
		}
	}
}

// An empty variable is no leave for everybody; on the command line the flag is as good
// as ever.
func TestEmptyVariables(t *testing.T) {
	cert, key := certify(t)
	for flag, value := range map[string]string{"token": "sesame", "auth-file": users(t, "ann", "x"), "tls-cert": cert, "tls-key": key} {
		name := "WSRUN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		cmd := wsrun("true")
		cmd.Env = append(cmd.Env, name+"=")
		if _, stderr, code := outcome(cmd); code != 125 || !strings.Contains(stderr, "bad "+name+`="": it is empty`) {
			t.Errorf("%s: status %d, %q", name, code, stderr)
		}
		cmd = wsrun("--"+flag, value, "true")
		cmd.Env = append(cmd.Env, name+"=")
		if _, stderr, _ := outcome(cmd); strings.Contains(stderr, "empty") {
			t.Errorf("--%s: %q", flag, stderr)
		}
	}
}

// What is secret is nowhere but in the URL: not in the command's environment, nor in
// the opener's or its arguments, nor in wsrun's own output beyond that line.
func TestSecretsStayHidden(t *testing.T) {
	const token = "hush-hush-hush"
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n(env; echo; echo $1) >" + fifo + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := wsrun("--open", "sh", "-c", "env; read x")
	cmd.Env = append(cmd.Env, "PATH="+dir+":"+os.Getenv("PATH"), "WSRUN_TOKEN="+token, "TMPDIR="+dir)
	r := begin(t, cmd)
	said, err := os.ReadFile(fifo)
	env, arg, _ := strings.Cut(string(said), "\n\n")
	if err != nil || strings.Contains(string(said), token) || !strings.Contains(env, "PATH=") {
		t.Errorf("the opener got %q, %v", said, err)
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(arg), "file://")
	page, err := os.ReadFile(path)
	if want := "url=http://" + r.addr + "/#token=" + token + `"`; !ok || err != nil || !strings.Contains(string(page), want) {
		t.Errorf("opened %q with %q, %v; want %s", arg, page, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.Process.Pid))
	rest := make(chan string)
	go func() {
		said, _ := io.ReadAll(r.Errors)
		rest <- string(said)
	}()
	io.WriteString(r.Stdin, "\n")
	if said := <-rest; strings.Contains(said, token) {
		t.Errorf("said %q", said)
	}
	r.Wait()
	if strings.Contains(r.out.String()+string(args), token) || !strings.Contains(r.out.String(), "PATH=") {
		t.Errorf("the command's environment: %q; arguments %q", r.out.String(), args)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", path, err)
	}
	t.Attr("promise", "a token is in no environment, argument or output of what is started, nor in wsrun's own words")
	t.Attr("figure", fmt.Sprintf("0 times in %d bytes", len(said)+len(args)+r.out.Len()))
	if out, stderr, _ := outcome(wsrun("--help")); strings.Contains(out+stderr, token) {
		t.Error("the help has it")
	}
}

// A token of 128 bits is made where others can reach the address, unless the user
// has decided on something else.
func TestTokens(t *testing.T) {
	token := regexp.MustCompile(`#token=(\S*)`)
	seen := map[string]bool{}
	shortest := 1000
	for _, tt := range []struct {
		args, env []string
		want      string // "random" or ""; what is printed
	}{
		{[]string{"--addr", "127.0.0.1:0"}, nil, ""},
		{[]string{"--addr", "localhost:0"}, nil, ""},
		{[]string{"--addr", "[::1]:0"}, nil, ""},
		{[]string{"--addr", ":0"}, nil, "random"},
		{[]string{"--addr", "0.0.0.0:0"}, nil, "random"},
		{[]string{"--addr", "0.0.0.0:0"}, nil, "random"},
		{[]string{"--addr", ":0", "--public"}, nil, ""},
		{[]string{"--addr", ":0", "--auth-file", users(t, "ann", "pw")}, nil, ""},
		{[]string{"--addr", ":0", "--token", "given"}, nil, ""}, // a log need not have it
		{[]string{"--addr", "127.0.0.1:0"}, []string{"WSRUN_TOKEN=given"}, ""},
	} {
		cmd := wsrun(append(tt.args, "true")...)
		cmd.Env = append(cmd.Env, tt.env...)
		_, stderr, code := outcome(cmd)
		got := ""
		if m := token.FindStringSubmatch(stderr); m != nil {
			got = m[1]
		}
		if tt.want == "random" {
			if len(got) < 26 || seen[got] { // 26 of base32 are 130 bits
				t.Errorf("%q: token %q", tt.args, got)
			}
			seen[got] = true
			shortest = min(shortest, len(got))
		} else if got != tt.want || code != 0 {
			t.Errorf("%q: token %q, status %d, %q", tt.args, got, code, stderr)
		}
	}
	t.Attr("promise", "where others can reach the address a random token is wanted")
	t.Attr("figure", fmt.Sprintf("%d bits; %d runs, all different", 5*shortest, len(seen)))
}

// A token that was given is the one, and in no log: neither at the start nor at the
// end.
func TestGivenTokens(t *testing.T) {
	for _, tt := range []struct{ args, env []string }{
		{[]string{"--token", "a+b&c"}, nil}, {nil, []string{"WSRUN_TOKEN=a+b&c"}}, {[]string{"--token", "a+b&c", "--log-format", "json", "--qr"}, []string{"WSRUN_TOKEN=second"}},
	} {
		cmd := wsrun(append(append([]string{"--linger", "1ms"}, tt.args...), "sh", "-c", "read x")...)
		cmd.Env = append(cmd.Env, tt.env...)
		r := spawn(t, cmd)
		line, _ := r.Errors.ReadString('\n')
		url := regexp.MustCompile(`http://[0-9.:]+/`).FindString(line)
		for token, want := range map[string]int{"a+b&c": 200, "second": 401, "": 401} {
			req, _ := http.NewRequest("GET", url, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != want {
				t.Errorf("%q, %q: %v, %v", tt, token, resp, err)
			}
		}
		r.Stdin.Close()
		r.Wait()
		if strings.Contains(r.Said(), "token") || !strings.Contains(r.Said(), "still serving") {
			t.Errorf("%q: said %q", tt, r.Said())
		}
	}
}

// A random token is told, once: what is said at the end has none.
func TestRandomTokenIsToldOnce(t *testing.T) {
	_, stderr, _ := outcome(wsrun("--addr", ":0", "--linger", "1ms", "true"))
	if _, after, _ := strings.Cut(stderr, "still serving"); after == "" || strings.Contains(after, "token") || !strings.Contains(stderr, "#token=") {
		t.Errorf("said %q", stderr)
	}
}

// Where others can reach the address a short token is not kept quiet about.
func TestShortToken(t *testing.T) {
	for _, tt := range []struct {
		addr, token string
		warned      bool
	}{{":0", "sesame", true}, {":0", "0123456789abcdef", false}, {"127.0.0.1:0", "sesame", false}} {
		_, stderr, code := outcome(wsrun("--addr", tt.addr, "--token", tt.token, "true"))
		if strings.Contains(stderr, "the token is short") != tt.warned || strings.Contains(stderr, tt.token) || code != 0 {
			t.Errorf("%+v: status %d, %q", tt, code, stderr)
		}
	}
}

func TestTokenFromStandardInput(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"sesame\nnot this\n", ""}, {"sesame\r\n", ""}, {"sesame", ""}, {"", "standard input has none"}, {"\nsesame", "standard input has none"},
		{strings.Repeat("x", 5000), "bad token"},
	} {
		r := spawn(t, wsrun("files", "--token", "-", t.TempDir()))
		io.WriteString(r.Stdin, tt.in)
		r.Stdin.Close()
		line, _ := r.Errors.ReadString('\n')
		if !strings.Contains(line, tt.want) {
			t.Errorf("%.20q: %q, want %q", tt.in, line, tt.want)
		}
		if addr, _ := launch.Address(line); tt.want == "" {
			req, _ := http.NewRequest("GET", "http://"+addr+"/", nil)
			req.Header.Set("Authorization", "Bearer sesame")
			if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 200 {
				t.Errorf("%q: %v, %v", tt.in, resp, err)
			}
		}
		r.Process.Signal(syscall.SIGTERM)
		r.Wait()
	}
}

func TestHTTPS(t *testing.T) {
	cert, key := certify(t)
	r := start(t, "--tls-cert", cert, "--tls-key", key, "--base-path", "/x", "--token", "sesame", "sh", "-c", "echo hi; read x")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	v, err := client.Dial(t.Context(), "wss://"+r.addr+"/x/", client.Options{
		HTTPClient: &http.Client{Transport: transport}, Header: http.Header{"Authorization": {"Bearer sesame"}, "Origin": {"https://" + r.addr}}, Plain: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if m, err := v.Next(t.Context()); string(m.Payload) != "hi\r\n" || err != nil {
		t.Errorf("%q, %v", m.Payload, err)
	}
	// A pair that is no pair any more is told, and what was there before goes on.
	os.WriteFile(cert, nil, 0o600)
	told := make(chan string, 1)
	go func() {
		line, _ := r.Errors.ReadString('\n')
		told <- line
	}()
	for ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second); ; {
		conn, err := tls.Dial("tcp", r.addr, transport.TLSClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		select {
		case line := <-told:
			if !strings.HasPrefix(line, "wsrun: use the certificate") {
				t.Errorf("said %q", line)
			}
			cancel()
		case <-ctx.Done():
			t.Fatal("nothing was said")
		case <-time.After(20 * time.Millisecond):
			continue
		}
		break
	}
	io.WriteString(r.Stdin, "\n")
	if code := r.end(); code != 0 {
		t.Errorf("status %d", code)
	}
	_, stderr, _ := outcome(wsrun("--tls-cert", cert, "--tls-key", key, "true"))
	if !strings.Contains(stderr, "use the certificate") {
		t.Errorf("an empty certificate: %q", stderr)
	}
}

func TestAuthFile(t *testing.T) {
	r := start(t, "--auth-file", users(t, "ann", "open sesame"), "sh", "-c", "echo hi; read x")
	for password, want := range map[string]int{"open sesame": 200, "wrong": 401, "": 401} {
		req, _ := http.NewRequest("GET", "http://"+r.addr+"/", nil)
		req.SetBasicAuth("ann", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %s", password, resp.Status)
		}
	}
}

// A log that is a page is shown as its text.
func TestLogsAreText(t *testing.T) {
	l := startFiles(t)
	answers := 0
	for _, name := range []string{"evil.html", "evil.svg", "evil.js", "evil.xml", "evil", "evil.pdf"} {
		l.write(name, "<html><script>alert(1)</script>\n")
		for _, query := range []string{"", "?format=raw", "?format=text", "?n=all", "?tail=0&grep=script"} {
			resp, body := l.get(name + query)
			answers++
			if resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") ||
				resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(body, "alert") || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s%s: %v, %q", name, query, resp.Header, body)
			}
		}
	}
	t.Attr("promise", "a log is text/plain in a sandbox, whatever it is called and holds")
	t.Attr("figure", fmt.Sprintf("%d answers", answers))
}
