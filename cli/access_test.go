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
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"wsrun/internal/client"
)

// certify writes a self-signed certificate and its key into a new folder.
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

// users writes a file for --auth-file, with one user.
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

// TestInvalidAccessFlags checks that invalid flags are reported before wsrun listens or starts
// the command, and that the messages hold no secrets.
func TestInvalidAccessFlags(t *testing.T) {
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
		{"--allow-origin", "HTTPS://A.Example:443"}, {"--allow-host", "[::1]:80"}, {"--allow-host", "Box"},
		{"--allow-host", "my_box.xn--bcher-kva.example:65535"}, {"--base-path", "/a/b"}, {"--base-path", "/"},
	} {
		if _, stderr, code := outcome(wsrun(append(args, "true")...)); code != 0 {
			t.Errorf("%q: status %d, %q", args, code, stderr)
		}
	}
}

// TestEmptyVariables checks that an empty variable is an error, rather than access for
// everyone, and that the flag on the command line overrides it.
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

// TestSecretsStayHidden checks that the token is only in the printed URL: not in the
// environment of the command or the browser, nor in their arguments, nor in wsrun's other output.
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

func TestHTTPS(t *testing.T) {
	cert, key := certify(t)
	r := start(t, "--tls-cert", cert, "--tls-key", key, "--base-path", "/x", "--token", "sesame", "sh", "-c", "echo hi; read x")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	v, err := client.Dial(t.Context(), "wss://"+r.addr+"/x/", client.Options{
		HTTPClient: &http.Client{Transport: transport}, Plain: true,
		Header: http.Header{"Authorization": {"Bearer sesame"}, "Origin": {"https://" + r.addr}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if m, err := v.Next(t.Context()); string(m.Payload) != "hi\r\n" || err != nil {
		t.Errorf("%q, %v", m.Payload, err)
	}
	// A broken certificate is reported, and the previous pair stays in use.
	os.WriteFile(cert, nil, 0o600)
	warnings := make(chan string, 1)
	go func() {
		line, _ := r.Errors.ReadString('\n')
		warnings <- line
	}()
	for ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second); ; {
		conn, err := tls.Dial("tcp", r.addr, transport.TLSClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		select {
		case line := <-warnings:
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

// TestLogsAreText checks that a log whose name and content are those of a page is sent as text.
func TestLogsAreText(t *testing.T) {
	l := startFiles(t)
	answers := 0
	for _, name := range []string{"evil.html", "evil.svg", "evil.js", "evil.xml", "evil", "evil.pdf"} {
		l.write(name, "<html><script>alert(1)</script>\n")
		for _, query := range []string{"", "?format=raw", "?format=text", "?n=all", "?tail=0&grep=script"} {
			resp, body := l.get(name + query)
			answers++
			if resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
				!strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") ||
				resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(body, "alert") ||
				resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s%s: %v, %q", name, query, resp.Header, body)
			}
		}
	}
	t.Attr("promise", "a log is text/plain in a sandbox, whatever it is called and holds")
	t.Attr("figure", fmt.Sprintf("%d answers", answers))
}
