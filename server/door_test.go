package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"wsrun/hub"
	"wsrun/static"
	"wsrun/test/wait"
)

// login posts a form and returns the answer, and the cookie that it sets.
func (b *bench) login(form url.Values, headers ...string) (*http.Response, *http.Cookie) {
	b.t.Helper()
	r, _ := http.NewRequest("POST", "http://"+b.addr+strings.TrimSuffix(b.srv.guard.base, "/")+"/-/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	if cookies := resp.Cookies(); len(cookies) == 1 {
		return resp, cookies[0]
	}
	return resp, nil
}

// forgive forgets all wrong tries.
func (b *bench) forgive() {
	tries := &b.srv.guard.door.tries
	tries.mu.Lock()
	defer tries.mu.Unlock()
	tries.tries = nil
}

func TestToken(t *testing.T) {
	b := serve(t, Options{Token: "secret", Source: hub.Source{Title: "hush"}})
	b.Write([]byte("output\n"))
	_, port, _ := strings.Cut(b.addr, ":")
	resp, cookie := b.login(url.Values{"token": {"secret"}})
	if resp.StatusCode != 204 || cookie == nil {
		t.Fatalf("log in: %s, %v", resp.Status, cookie)
	}
	if cookie.Name != "wsrun_"+port || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure || cookie.MaxAge != 0 {
		t.Errorf("cookie %v", cookie)
	}
	if _, other := serve(t, Options{Token: "secret"}).login(url.Values{"token": {"secret"}}); strings.Contains(cookie.Value, "secret") || cookie.Value == other.Value {
		t.Errorf("cookie %q tells of the token, that of another run is %q", cookie.Value, other.Value)
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
		{"Authorization: Basic cHJveHk6cHc=|Cookie: " + own + "|Sec-Fetch-Site: none", 200}, // a proxy's
		{"Cookie: " + own, 403}, // says nothing of who asks
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
	if resp, page := b.get("/", "Accept", "text/html", "Cookie", own, "Sec-Fetch-Site", "none"); resp.StatusCode != 200 || !strings.Contains(page, "hush") {
		t.Errorf("the page, for one who is in: %s, %q", resp.Status, page)
	}
}

// To a host that is not this machine no browser sends Sec-Fetch-Site unencrypted;
// the page's own requests must not be refused there.
func TestCookieOnANetwork(t *testing.T) {
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

// Behind one name there may be several sockets, and browsers know cookies by name.
func TestCookiesOfSockets(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{"/run/a.sock", "/run/b.sock", "/run/a.sock", "@a"} {
		name := newGuard(Options{Token: "secret", Addr: &net.UnixAddr{Name: path, Net: "unix"}}).door.cookie
		if !regexp.MustCompile(`^wsrun_[0-9a-f]{8}$`).MatchString(name) {
			t.Errorf("%s: %q", path, name)
		}
		seen[name] = true
	}
	if len(seen) != 3 {
		t.Errorf("names for three paths: %v", seen)
	}
}

// Five wrong tries a second, whatever they try, and then not even the right token
// is listened to; but who is in stays in.
func TestTooManyTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(Options{Token: "secret"}, "wsrun_1", "/")
		ask := func(addr, token string) (credential, bool) {
			r, _ := http.NewRequest("GET", "/", nil)
			r.RemoteAddr = addr
			r.Header.Set("Authorization", "Bearer "+token)
			shown, refused := d.shown(r)
			return shown, refused != nil && refused.status == 429
		}
		for range 20 {
			if shown, _ := ask("192.0.2.1:1", "secret"); shown != byHeader {
				t.Fatal("the right token counts as a wrong one")
			}
		}
		heard := 0
		for i := range 8 {
			_, tooMany := ask(fmt.Sprint("192.0.2.1:", i), "wrong")
			if tooMany != (i >= 5) {
				t.Errorf("try %d: too many is %v", i, tooMany)
			}
			if !tooMany {
				heard++
			}
		}
		t.Attr("promise", "tokens can't be tried out")
		t.Attr("figure", fmt.Sprintf("%d tries a second heard", heard))
		if shown, tooMany := ask("192.0.2.1:1", "secret"); shown != nothing || !tooMany {
			t.Error("the right token gets in after too many wrong ones")
		}
		if _, tooMany := ask("192.0.2.2:1", "wrong"); tooMany {
			t.Error("another address is refused for it")
		}
		r, _ := http.NewRequest("GET", "/", nil)
		r.RemoteAddr = "192.0.2.1:1"
		r.AddCookie(&http.Cookie{Name: "wsrun_1", Value: d.cookieFor("", "secret")})
		if shown, _ := d.shown(r); shown != byCookie {
			t.Error("who is in is thrown out")
		}
		for i := range 5 {
			ask(fmt.Sprintf("[2001:db8::%d]:1", i), "wrong")
		}
		if _, tooMany := ask("[2001:db8::ffff]:1", "wrong"); !tooMany {
			t.Error("each address of a /64 has tries of its own")
		}
		time.Sleep(time.Second)
		if shown, _ := ask("192.0.2.1:1", "secret"); shown != byHeader {
			t.Error("still refused after a second")
		}
	})
}

// Each address has tries of its own, an IPv4 one also when the socket is of IPv6; but
// a host has all of a /64.
func TestOrigins(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true}, {"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true}, {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1", false},
		{"[2001:db8::1]:1", "[2001:db8::2]:1", true}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[fe80::1%a]:1", "[fe80::2%b]:1", true}, {"@", "", true},
	} {
		if got := origin(tt.a) == origin(tt.b); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

// What is remembered of passwords has a limit, and so has what is read of a log-in.
func TestLogInIsBounded(t *testing.T) {
	d := newDoor(Options{Users: slowUsers(t)}, "wsrun_1", "/")
	d.users.match = bcrypt.CompareHashAndPassword
	for i := range maxKnown {
		d.known[fmt.Sprint(i)] = "x"
	}
	if got := knock(d, "192.0.2.1:1", "ann-pw"); got != 200 || len(d.known) > maxKnown {
		t.Errorf("%d, %d passwords are remembered", got, len(d.known))
	}
	b := serve(t, Options{Token: "secret"})
	for size, want := range map[int]int{maxLogin / 2: 204, 2 * maxLogin: 401} {
		if resp, _ := b.login(url.Values{"token": {"secret"}, "x": {strings.Repeat("x", size)}}); resp.StatusCode != want {
			t.Errorf("%d bytes: %s, want %d", size, resp.Status, want)
		}
	}
}

func TestTooManyTriesAnswer(t *testing.T) {
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

// What a proxy before wsrun asks for, and passes on, is no try.
func TestOtherSchemesAreNoTries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd(t, path, map[string]int{"ann": 4})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for other, o := range map[string]Options{"Basic cHJveHk6cHc=": {Token: "secret"}, "Bearer proxy": {Users: users}, "Digest x": {Users: users}} {
		b := serve(t, o)
		for range 2 * maxTries {
			if resp, _ := b.get("/", "Authorization", other); resp.StatusCode != 401 {
				t.Errorf("%s: %s", other, resp.Status)
			}
		}
	}
}

// slowUsers returns one user, ann, whose password takes a second to check.
func slowUsers(t *testing.T) *Users {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	htpasswd(t, path, map[string]int{"ann": 4})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	users.match = func(hash, password []byte) error {
		time.Sleep(time.Second)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	return users
}

// knock shows a password of ann's, and returns what that is answered with.
func knock(d *door, addr, password string) int {
	r, _ := http.NewRequest("GET", "/", nil)
	r.RemoteAddr = addr
	r.SetBasicAuth("ann", password)
	if _, refused := d.shown(r); refused != nil {
		return refused.status
	}
	return 200
}

// Right passwords at the same time wait for each other; only wrong ones are counted.
func TestRightTriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(Options{Users: slowUsers(t)}, "wsrun_1", "/")
		var wg sync.WaitGroup
		for range 4 * maxTries {
			wg.Go(func() {
				if got := knock(d, "192.0.2.1:1", "ann-pw"); got != 200 {
					t.Errorf("answered with %d", got)
				}
			})
		}
		wg.Wait()
	})
}

// Whoever tries passwords from one address delays no other: there is one check of
// theirs before that of who comes now.
func TestFloodOfPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(Options{Users: slowUsers(t)}, "wsrun_1", "/")
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[int]int{}
		began := time.Now()
		worst := time.Duration(0)
		const flood = "192.0.2.1:1"
		calm := flood
		for i := 2; d.tries.of(calm) == d.tries.of(flood); i++ {
			calm = fmt.Sprintf("192.0.2.%d:1", i)
		}
		for i := range 2000 { // in 20 s
			wg.Go(func() {
				status := knock(d, flood, fmt.Sprint(i))
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
			})
			if i%300 == 299 {
				wg.Go(func() {
					came := time.Now()
					if got := knock(d, calm, "ann-pw"); got != 200 {
						t.Errorf("the right password is answered with %d", got)
					}
					mu.Lock()
					defer mu.Unlock()
					worst = max(worst, time.Since(came))
					d.mu.Lock()
					defer d.mu.Unlock()
					clear(d.known)
				})
			}
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		if worst > 2*time.Second {
			t.Errorf("a right password is answered after %v, want two checks' time", worst)
		}
		if took := time.Since(began); took > 20*time.Second+maxWaiting*time.Second || answers[503] == 0 || answers[200] > 0 {
			t.Errorf("the flood is answered within %v: %v", took, answers)
		}
		t.Attr("promise", "who tries out passwords delays nobody at another address")
		t.Attr("figure", fmt.Sprintf("by %v, of 1 s a check; 2,000 wrong ones in 20 s", worst-time.Second))
	})
}

// When as many wait for a check as may, others are told to come again.
func TestCrowd(t *testing.T) {
	users := slowUsers(t)
	users.match = bcrypt.CompareHashAndPassword
	d := newDoor(Options{Users: users}, "wsrun_1", "/")
	for range cap(users.queue) {
		users.queue <- struct{}{}
	}
	if got := knock(d, "192.0.2.1:1", "ann-pw"); got != 503 {
		t.Errorf("answered with %d", got)
	}
	w := httptest.NewRecorder()
	d.refusal(errCrowded).answer(w, d)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("the answer: %d, %v", w.Code, w.Header())
	}
	<-users.queue
	if got := knock(d, "192.0.2.1:1", "ann-pw"); got != 200 {
		t.Errorf("after that: %d", got)
	}
}

// htpasswd writes a file of users whose passwords are their names and "-pw".
func htpasswd(t *testing.T, path string, costs map[string]int) {
	t.Helper()
	lines := "# users\n\n"
	for user, cost := range costs {
		hash, err := bcrypt.GenerateFromPassword([]byte(user+"-pw"), cost)
		if err != nil {
			t.Fatal(err)
		}
		lines += user + ":" + strings.Replace(string(hash), "$2a$", "$2y$", 1) + "\n" // as htpasswd has it
	}
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd(t, path, map[string]int{"ann": 4, "bob": 5})
	warned := make(chan error, 10)
	users, err := OpenUsers(path, func(err error) { warned <- err })
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, Options{Users: users})
	b.Write([]byte("output\n"))
	basic := func(user, password string) int {
		b.forgive()
		r, _ := http.NewRequest("GET", "http://"+b.addr+"/", nil)
		r.SetBasicAuth(user, password)
		resp, err := http.DefaultClient.Do(r)
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
	if ann == nil || bob == nil || strings.Contains(ann.Value, users.hash("ann")) || strings.Contains(ann.Value, "pw") {
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

	// What is wrong with a new file is told once, and the old one holds.
	for content, want := range map[string]string{"ann:{SHA}deadbeef\n": "line 1", "": "no user"} {
		os.WriteFile(path, []byte(content), 0o600)
		wait.For(t, wait.Patience, "nobody was warned", func() bool { return cookie(ann.Value) != 200 || len(warned) > 0 })
		if len(warned) == 0 || cookie(ann.Value) != 200 {
			t.Fatalf("%q: who is in is thrown out", content)
		}
		if err := <-warned; !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "deadbeef") {
			t.Errorf("%q: warned of %v", content, err)
		}
	}
	htpasswd(t, path, map[string]int{"ann": 4}) // another hash of the same password, and no bob
	wait.For(t, wait.Patience, "those who are gone stay in", func() bool { return cookie(bob.Value) == 401 })
	if cookie(ann.Value) != 401 || basic("bob", "bob-pw") != 401 || basic("ann", "ann-pw") != 200 || len(warned) > 0 {
		t.Error("a changed file is not heeded")
	}
}

// A user that does not exist, and one whose hash is cheap, cost as many rounds of
// bcrypt as the most expensive.
func TestUsersTakeTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd(t, path, map[string]int{"cheap": 4, "mean": 6, "dear": 7})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 0
	users.match = func(hash, password []byte) error {
		err := bcrypt.CompareHashAndPassword(hash, password)
		if err == nil || err == bcrypt.ErrMismatchedHashAndPassword {
			rounds += 1 << cost(string(hash))
		}
		return err
	}
	least, most := 1<<30, 0
	for _, user := range []string{"cheap", "mean", "dear", "nobody", ""} {
		for _, password := range []string{"wrong", user + "-pw"} {
			rounds = 0
			if users.check(t.Context(), user, password); rounds != 1<<7 {
				t.Errorf("%q, %q: %d rounds, want %d", user, password, rounds, 1<<7)
			}
			least, most = min(least, rounds), max(most, rounds)
		}
	}
	t.Attr("promise", "a user that does not exist costs as much time as any other")
	t.Attr("figure", fmt.Sprintf("%d to %d rounds of bcrypt", least, most))
}

func TestBadUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	good := "$2y$04$" + strings.Repeat("a", 53)
	for content, want := range map[string]string{
		"":                                 "no user",
		"# nobody\n":                       "no user",
		"ann:" + good + "\nsecret\n":       "line 2 is not",
		":" + good:                         "line 1 is not",
		"ann :" + good:                     "line 1 is not",
		"ann:" + good + "\n\u00a0:" + good: "line 2 is not",
		"ann:" + good + "\n\nann:" + good:  "line 3 has an earlier",
		"ann:secret":                       "line 1 has no bcrypt",
		"ann:$apr1$secret$0123456789012345678901":           "line 1 has no bcrypt",
		"ann:{SHA}secret":                                   "line 1 has no bcrypt",
		"ann:$6$secret$x":                                   "line 1 has no bcrypt",
		"ann:$2y$32$" + strings.Repeat("a", 53):             "line 1 has no bcrypt",
		"ann:$2y$03$" + strings.Repeat("a", 53):             "line 1 has no bcrypt",
		"ann:" + good + "secret":                            "line 1 has no bcrypt",
		"# a\nann:$2x$04$" + strings.Repeat("a", 53) + "\n": "line 2 has no bcrypt",
	} {
		os.WriteFile(path, []byte(content), 0o600)
		if _, err := OpenUsers(path, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	os.WriteFile(path, []byte("\ufeffann:"+good+"\r\n bob:"+good), 0o600)
	if users, err := OpenUsers(path, nil); err != nil || users.hash("ann") != good || users.hash("bob") != good {
		t.Errorf("as Windows writes it: %v", err)
	}
	if _, err := OpenUsers(path+"-", nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
}

// A client that leaves while others' passwords are checked does not have its own
// checked.
func TestChecksInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd(t, path, map[string]int{"ann": 4})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(users.checks) {
		users.checks <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := users.check(ctx, "ann", "ann-pw"); err != errCrowded {
		t.Error("more are checked at once than may be")
	}
	<-users.checks
	if _, err := users.check(t.Context(), "ann", "ann-pw"); err != nil {
		t.Error("not checked in its turn")
	}
}
