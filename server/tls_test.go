package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/client"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// certify writes a self-signed certificate for 127.0.0.1, and its key.
func certify(t *testing.T, cert, key, name string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}

// insecure accepts any certificate.
var insecure = &tls.Config{InsecureSkipVerify: true}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	certify(t, cert, key, "first")
	warned := make(chan error, 10)
	certificate, err := access.OpenCertificate(cert, key, func(err error) { warned <- err })
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, Options{Certificate: certificate, Token: "secret"})
	name := func() string {
		c, err := tls.Dial("tcp", b.addr, insecure)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("certificate %q", got)
	}
	oldest := uint16(tls.VersionTLS13)
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			oldest = min(oldest, c.ConnectionState().Version)
			c.Close()
		}
	}
	t.Attr("promise", "no old TLS, and files that change are read anew")
	t.Attr("figure", "the oldest is "+tls.VersionName(oldest))
	if resp := b.raw("GET / HTTP/1.1\r\nHost: " + b.addr + "\r\n\r\n"); resp == nil || resp.StatusCode != 400 {
		t.Errorf("unencrypted: %v", resp)
	} else if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "HTTPS") {
		t.Errorf("unencrypted: %q", body)
	}

	transport := &http.Transport{TLSClientConfig: insecure}
	client := &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := client.PostForm("https://"+b.addr+"/-/login", url.Values{"token": {"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if cookies := resp.Cookies(); len(cookies) != 1 || !cookies[0].Secure {
		t.Errorf("%s, cookies %v", resp.Status, cookies)
	}
	for origin, want := range map[string]int{"https://" + b.addr: 200, "http://" + b.addr: 403} {
		r, _ := http.NewRequest("GET", "https://"+b.addr+"/", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Authorization", "Bearer secret")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("origin %s: %s", origin, resp.Status)
		}
	}

	// A certificate with another key is reported once, and the previous pair stays in use.
	certify(t, cert, filepath.Join(dir, "other"), "second")
	wait.For(t, wait.Patience, "there is no warning", func() bool { return name() != "first" || len(warned) > 0 })
	since := time.Now()
	wait.For(t, wait.Patience, "", func() bool { return name() != "first" || time.Since(since) > 2*time.Second })
	if got := name(); got != "first" || len(warned) != 1 {
		t.Errorf("with another certificate's key: %q, %d warnings", got, len(warned))
	}
	os.Rename(filepath.Join(dir, "other"), key)
	wait.For(t, wait.Patience, "the new certificate is not used", func() bool { return name() == "second" })
	os.Remove(key)
	wait.For(t, wait.Patience, "there is no warning", func() bool { return name() != "second" || len(warned) > 1 })
	if <-warned; !strings.Contains((<-warned).Error(), key) || name() != "second" {
		t.Error("without a key file: no warning about it, or no certificate")
	}
}

// A panic in a handshake costs that handshake. It is counted, and logged as an error.
func TestPanicInHandshake(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	certify(t, cert, key, "x")
	certificate, err := access.OpenCertificate(cert, key, func(error) { panic("in the handshake") })
	if err != nil {
		t.Fatal(err)
	}
	config := reflect.ValueOf(certificate.Config()).Elem()
	for i := range config.NumField() {
		name := config.Type().Field(i).Name
		if f := config.Field(i); f.Kind() == reflect.Func && !f.IsNil() && name != "GetCertificate" {
			t.Errorf("nothing contains a panic in %s", name)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	panics := hub.NewPanics(slog.New(slog.NewTextHandler(log, nil)))
	b := serve(t, Options{Certificate: certificate, Panics: panics})
	shake := func() error {
		c, err := tls.Dial("tcp", b.addr, insecure)
		if err == nil {
			c.Close()
		}
		return err
	}
	certify(t, filepath.Join(dir, "other"), key, "x") // not the key of cert: a handshake warns of that
	wait.For(t, wait.Patience, "no handshake fails", func() bool { return shake() != nil })
	if n := panics.Count(); n != 1 {
		t.Errorf("%d panics", n)
	}
	text, err := os.ReadFile(log.Name())
	for _, want := range []string{"level=ERROR", "in the handshake", "access.(*fileCache"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in the log %q, %v", want, text, err)
		}
	}
	if err := shake(); err != nil {
		t.Errorf("the next handshake: %v", err)
	}
}

// A panic in crypto/tls costs the connection.
func TestPanicInTLS(t *testing.T) {
	log := &strings.Builder{}
	panics := hub.NewPanics(slog.New(slog.NewTextHandler(log, nil)))
	s := &Server{o: Options{Panics: panics}}
	near, far := net.Pipe()
	s.beginTLS(tls.Server(far, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("in crypto/tls") }}))
	if err := tls.Client(near, insecure).Handshake(); err != io.EOF {
		t.Errorf("the handshake ended with %v", err)
	}
	if n := panics.Count(); n != 1 || !strings.Contains(log.String(), "in crypto/tls") {
		t.Errorf("%d panics in the log %q", n, log)
	}
}

// TestWebSocketTLS checks that viewers over TLS get all output, and that a stalled one is
// dropped.
func TestWebSocketTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for stallTime")
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	certify(t, cert, key, "x")
	certificate, err := access.OpenCertificate(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Bytes: 64 << 20})}, Options{Certificate: certificate})
	transport := &http.Transport{TLSClientConfig: insecure}
	t.Cleanup(transport.CloseIdleConnections)
	dial := func() *client.Viewer {
		v, err := client.Dial(t.Context(), "wss://"+b.addr+"/", client.Options{HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	reads := dial()
	dial() // a viewer that reads nothing
	viewers := func(want int) func() bool {
		return func() bool { return b.hub.Viewers() == want }
	}
	wait.For(t, wait.Patience, "there are no two viewers", viewers(2))
	line := strings.Repeat("x", 1<<16-1) + "\n"
	go func() {
		for range 400 {
			b.Write([]byte(line))
		}
	}()
	got := 0
	for got < 400*len(line) {
		m, err := reads.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Event == nil {
			got += len(m.Payload)
		}
	}
	wait.For(t, 15*time.Second, "the stopped viewer is still there", viewers(1))
	b.end(0)
	if r, err := watch.Viewer(reads, -1); err != nil || r.Code != 1000 {
		t.Errorf("the other one: code %d, %v", r.Code, err)
	}
}
