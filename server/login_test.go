package server

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/static"
	"wsrun/test/htpasswd"
	"wsrun/test/wait"
)

// login posts a log-in form, and returns the response and the cookie that it sets, if any.
func (b *bench) login(form url.Values, headers ...string) (*http.Response, *http.Cookie) {
	b.t.Helper()
	r, _ := http.NewRequest("POST", "http://"+b.addr+strings.TrimSuffix(b.srv.o.Base, "/")+"/-/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.client().Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	if cookies := resp.Cookies(); len(cookies) == 1 {
		return resp, cookies[0]
	}
	return resp, nil
}

func TestToken(t *testing.T) {
	b := serveStream(t, hub.Options{Title: "hush"}, Options{Token: "secret"})
	b.Write([]byte("output\n"))
	_, port, _ := strings.Cut(b.addr, ":")
	resp, cookie := b.login(url.Values{"token": {"secret"}})
	if resp.StatusCode != 204 || cookie == nil {
		t.Fatalf("log in: %s, %v", resp.Status, cookie)
	}
	if cookie.Name != "wsrun_"+port || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" ||
		cookie.Secure || cookie.MaxAge != 0 {
		t.Errorf("cookie %v", cookie)
	}
	_, other := serve(t, Options{Token: "secret"}).login(url.Values{"token": {"secret"}})
	if strings.Contains(cookie.Value, "secret") || cookie.Value == other.Value {
		t.Errorf("cookie %q is derived from the token alone: that of another run is %q", cookie.Value, other.Value)
	}
	if _, cookie := b.login(url.Values{"token": {"secret"}}, "Origin", "https://"+b.addr); cookie != nil {
		t.Errorf("an origin of another scheme got %v", cookie)
	}
	proxied := serve(t, Options{Token: "secret", AllowHosts: []string{"logs.example"}})
	if _, cookie := proxied.login(url.Values{"token": {"secret"}}, "Origin", "https://logs.example"); cookie == nil || !cookie.Secure {
		t.Errorf("behind a proxy that serves https: %v", cookie)
	}
	own := cookie.Name + "=" + cookie.Value
	for _, tt := range []struct {
		headers string
		want    int
	}{
		{"", 401},
		{"Authorization: Bearer wrong", 401},
		{"Authorization: Bearer ", 401},
		{"Authorization: Bearer secret", 200},
		{"Authorization: bearer secret", 200},
		{"Authorization: Basic c2VjcmV0OnNlY3JldA==", 401}, // secret:secret
		{"Authorization: Bearer wrong|Cookie: " + own + "|Sec-Fetch-Site: none", 200},
		{"Authorization: Basic cHJveHk6cHc=|Cookie: " + own + "|Sec-Fetch-Site: none", 200}, // a proxy's credentials
		{"Cookie: " + own, 403}, // could be another site's request
		{"Cookie: " + own + "|Sec-Fetch-Site: same-origin", 200},
		{"Cookie: " + own + "|Sec-Fetch-Site: none", 200},
		{"Cookie: " + own + "|Sec-Fetch-Site: same-site", 403},
		{"Cookie: " + own + "|Origin: http://" + b.addr, 200},
		{"Cookie: " + own + "x|Origin: http://" + b.addr, 401},
		{"Cookie: " + cookie.Name + "=secret|Sec-Fetch-Site: none", 401},
		{"Cookie: wsrun_1=" + cookie.Value + "|Sec-Fetch-Site: none", 401},
		{"Cookie: " + cookie.Name + "=planted; " + own + "|Sec-Fetch-Site: none", 200},
	} {
		b.forgive()
		var headers []string
		for h := range strings.SplitSeq(tt.headers, "|") {
			if name, value, ok := strings.Cut(h, ": "); ok {
				headers = append(headers, name, value)
			}
		}
		if resp, body := b.get("/?format=text", headers...); resp.StatusCode != tt.want || strings.Contains(body, "output") != (tt.want == 200) {
			t.Errorf("%s: %s, %q; want %d", tt.headers, resp.Status, body, tt.want)
		}
	}
	refused := 0
	for _, query := range []string{"?token=secret", "?access_token=secret", "?bearer=secret"} {
		if resp, _ := b.get("/" + query); resp.StatusCode == 401 {
			refused++
		} else {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
	t.Attr("promise", "a token is taken from a header or the log-in, never from a query")
	t.Attr("figure", fmt.Sprintf("%d queries with the right one refused", refused))
	if resp, page := b.get("/", "Accept", "text/html"); resp.StatusCode != 200 || strings.Contains(page, "hush") {
		t.Errorf("the page, which asks for the token: %s, %q", resp.Status, page)
	}
	if resp, page := b.get("/", "Accept", "text/html", "Cookie", own, "Sec-Fetch-Site", "none"); resp.StatusCode != 200 ||
		!strings.Contains(page, "hush") {
		t.Errorf("the page, after log-in: %s, %q", resp.Status, page)
	}
}

// TestCookieOnNetwork covers hosts other than this machine, to which browsers don't send
// Sec-Fetch-Site without TLS. The page's own requests must work there.
func TestCookieOnNetwork(t *testing.T) {
	b := serve(t, Options{Token: "secret", AllowHosts: []string{"192.0.2.1:9000"}})
	_, cookie := b.login(url.Values{"token": {"secret"}})
	own := cookie.Name + "=" + cookie.Value
	for header, want := range map[string]int{"X: ": 200, "Origin: http://192.0.2.2:9000": 403, "Sec-Fetch-Site: cross-site": 403} {
		name, value, _ := strings.Cut(header, ": ")
		if resp, _ := b.get("/-/status", "Host", "192.0.2.1:9000", "Cookie", own, name, value); resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", header, resp.Status, want)
		}
	}
}

// TestLoginBodyLimit checks that no more than 4 KiB of a log-in form are read.
func TestLoginBodyLimit(t *testing.T) {
	b := serve(t, Options{Token: "secret"})
	const most = 4 << 10
	for size, want := range map[int]int{most / 2: 204, 2 * most: 401} {
		if resp, _ := b.login(url.Values{"token": {"secret"}, "x": {strings.Repeat("x", size)}}); resp.StatusCode != want {
			t.Errorf("%d bytes: %s, want %d", size, resp.Status, want)
		}
	}
}

func TestLoginThrottle(t *testing.T) {
	b := serve(t, Options{Token: "secret"})
	for i := range 7 {
		resp, _ := b.login(url.Values{"token": {"wrong"}})
		if i < 5 && resp.StatusCode != 401 || i >= 5 && (resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1") {
			t.Errorf("try %d: %s, %v", i, resp.Status, resp.Header)
		}
	}
	bearer := []string{"Authorization", "Bearer secret"}
	if resp, _ := b.get("/", bearer...); resp.StatusCode != 429 {
		t.Errorf("by a header: %s", resp.Status)
	}
	for _, path := range []string{"/", "/-/static/" + static.Digest() + "/app.js"} {
		if resp, _ := b.get(path, append(bearer, "Accept", "text/html")...); resp.StatusCode != 200 {
			t.Errorf("%s, which needs no token: %s", path, resp.Status)
		}
	}
}

// TestOtherSchemesAreNotAttempts checks that credentials meant for a proxy, which passes them
// on, don't count as failed attempts to log in.
func TestOtherSchemesAreNotAttempts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"ann": 4})
	users, err := access.OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for other, o := range map[string]Options{"Basic cHJveHk6cHc=": {Token: "secret"}, "Bearer proxy": {Users: users}, "Digest x": {Users: users}} {
		b := serve(t, o)
		for range 10 {
			if resp, _ := b.get("/", "Authorization", other); resp.StatusCode != 401 {
				t.Errorf("%s: %s", other, resp.Status)
			}
		}
	}
}

func TestUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	lines := htpasswd.Write(t, path, map[string]int{"ann": 4, "bob": 5})
	hash := regexp.MustCompile("ann:(.*)").FindStringSubmatch(lines)[1]
	warned := make(chan error, 10)
	users, err := access.OpenUsers(path, func(err error) { warned <- err })
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, Options{Users: users})
	b.Write([]byte("output\n"))
	basic := func(user, password string) int {
		b.forgive()
		r, _ := http.NewRequest("GET", "http://"+b.addr+"/", nil)
		r.SetBasicAuth(user, password)
		resp, err := b.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, tt := range []struct {
		user, password string
		want           int
	}{
		{"ann", "ann-pw", 200}, {"ann", "ann-pw", 200}, {"bob", "bob-pw", 200}, {"ann", "bob-pw", 401},
		{"ann", "", 401}, {"", "", 401}, {"eve", "eve-pw", 401}, {"# users", "", 401},
	} {
		if got := basic(tt.user, tt.password); got != tt.want {
			t.Errorf("%s, %s: %d, want %d", tt.user, tt.password, got, tt.want)
		}
	}
	resp, _ := b.get("/")
	if c := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || c == "" || strings.HasPrefix(c, "Basic") {
		t.Errorf("%s, WWW-Authenticate %q: browsers would ask, and keep the password", resp.Status, c)
	}
	if _, page := b.get("/", "Accept", "text/html"); !strings.Contains(page, `name="login" content="password"`) {
		t.Error("the page does not ask for a password")
	}
	b.forgive()
	if resp, cookie := b.login(url.Values{"user": {"ann"}, "password": {"bob-pw"}, "token": {""}}); resp.StatusCode != 401 || cookie != nil {
		t.Errorf("a wrong password: %s, %v", resp.Status, cookie)
	}
	_, ann := b.login(url.Values{"user": {"ann"}, "password": {"ann-pw"}})
	_, bob := b.login(url.Values{"user": {"bob"}, "password": {"bob-pw"}})
	if ann == nil || bob == nil || strings.Contains(ann.Value, hash) || strings.Contains(ann.Value, "pw") {
		t.Fatalf("cookies %v, %v", ann, bob)
	}
	cookie := func(value string) int {
		resp, _ := b.get("/", "Cookie", ann.Name+"="+value, "Sec-Fetch-Site", "same-origin")
		return resp.StatusCode
	}
	name, _, _ := strings.Cut(ann.Value, ".")
	_, seal, _ := strings.Cut(bob.Value, ".")
	if cookie(ann.Value) != 200 || cookie(name+"."+seal) != 401 || cookie(name+".") != 401 || cookie(".") != 401 || cookie("!.x") != 401 {
		t.Error("cookies are mixed up")
	}

	// A file with an error is reported once, keeping the previous version.
	for content, want := range map[string]string{"ann:{SHA}deadbeef\n": "line 1", "": "no user"} {
		os.WriteFile(path, []byte(content), 0o600)
		wait.For(t, wait.Patience, "there is no warning", func() bool {
			return cookie(ann.Value) != 200 || len(warned) > 0
		})
		if len(warned) == 0 || cookie(ann.Value) != 200 {
			t.Fatalf("%q: a valid cookie is refused", content)
		}
		if err := <-warned; !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "deadbeef") {
			t.Errorf("%q: warned of %v", content, err)
		}
	}
	htpasswd.Write(t, path, map[string]int{"ann": 4}) // another hash of the same password, and no bob
	wait.For(t, wait.Patience, "a removed user's cookie is still valid", func() bool { return cookie(bob.Value) == 401 })
	if cookie(ann.Value) != 401 || basic("bob", "bob-pw") != 401 || basic("ann", "ann-pw") != 200 || len(warned) > 0 {
		t.Error("the changed file is not in use")
	}
}
