package access

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/test/htpasswd"

	"golang.org/x/crypto/bcrypt"
)

// Five wrong tries a second, whatever they try, and then not even the right token
// is listened to; but who is in stays in.
func TestTooManyTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCredentials(Options{Token: "secret"}, "wsrun_1", "/")
		ask := func(addr, token string) (proof, bool) {
			r, _ := http.NewRequest("GET", "/", nil)
			r.RemoteAddr = addr
			r.Header.Set("Authorization", "Bearer "+token)
			shown, refused := c.authenticate(r)
			return shown, refused != nil && refused.Status == 429
		}
		for range 20 {
			if shown, _ := ask("192.0.2.1:1", "secret"); shown != headerProof {
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
		if shown, tooMany := ask("192.0.2.1:1", "secret"); shown != noProof || !tooMany {
			t.Error("the right token gets in after too many wrong ones")
		}
		if _, tooMany := ask("192.0.2.2:1", "wrong"); tooMany {
			t.Error("another address is refused for it")
		}
		r, _ := http.NewRequest("GET", "/", nil)
		r.RemoteAddr = "192.0.2.1:1"
		r.AddCookie(&http.Cookie{Name: "wsrun_1", Value: c.cookieValue("", "secret")})
		if shown, _ := c.authenticate(r); shown != cookieProof {
			t.Error("who is in is thrown out")
		}
		for i := range 5 {
			ask(fmt.Sprintf("[2001:db8::%d]:1", i), "wrong")
		}
		if _, tooMany := ask("[2001:db8::ffff]:1", "wrong"); !tooMany {
			t.Error("each address of a /64 has tries of its own")
		}
		time.Sleep(time.Second)
		if shown, _ := ask("192.0.2.1:1", "secret"); shown != headerProof {
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

// slowUsers returns one user, ann, whose password takes a second to check.
func slowUsers(t *testing.T) *Users {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"ann": 4})
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
func knock(c *credentials, addr, password string) int {
	r, _ := http.NewRequest("GET", "/", nil)
	r.RemoteAddr = addr
	r.SetBasicAuth("ann", password)
	if _, refused := c.authenticate(r); refused != nil {
		return refused.Status
	}
	return 200
}

// Right passwords at the same time wait for each other; only wrong ones are counted.
func TestRightTriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCredentials(Options{Users: slowUsers(t)}, "wsrun_1", "/")
		var wg sync.WaitGroup
		for range 4 * maxTries {
			wg.Go(func() {
				if got := knock(c, "192.0.2.1:1", "ann-pw"); got != 200 {
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
		c := newCredentials(Options{Users: slowUsers(t)}, "wsrun_1", "/")
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[int]int{}
		began := time.Now()
		worst := time.Duration(0)
		const flood = "192.0.2.1:1"
		calm := flood
		for i := 2; c.attempts.of(calm) == c.attempts.of(flood); i++ {
			calm = fmt.Sprintf("192.0.2.%d:1", i)
		}
		for i := range 2000 { // in 20 s
			wg.Go(func() {
				status := knock(c, flood, fmt.Sprint(i))
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
			})
			if i%300 == 299 {
				wg.Go(func() {
					came := time.Now()
					if got := knock(c, calm, "ann-pw"); got != 200 {
						t.Errorf("the right password is answered with %d", got)
					}
					mu.Lock()
					defer mu.Unlock()
					worst = max(worst, time.Since(came))
					c.mu.Lock()
					defer c.mu.Unlock()
					clear(c.verified)
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
	c := newCredentials(Options{Users: users}, "wsrun_1", "/")
	for range cap(users.queue) {
		users.queue <- struct{}{}
	}
	if got := knock(c, "192.0.2.1:1", "ann-pw"); got != 503 {
		t.Errorf("answered with %d", got)
	}
	w := httptest.NewRecorder()
	c.refusal(errCrowded).Answer(w)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("the answer: %d, %v", w.Code, w.Header())
	}
	<-users.queue
	if got := knock(c, "192.0.2.1:1", "ann-pw"); got != 200 {
		t.Errorf("after that: %d", got)
	}
}

// A user that does not exist, and one whose hash is cheap, cost as many rounds of
// bcrypt as the most expensive.
func TestUsersTakeTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"cheap": 4, "mean": 6, "dear": 7})
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
			if users.verify(t.Context(), user, password); rounds != 1<<7 {
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
	htpasswd.Write(t, path, map[string]int{"ann": 4})
	users, err := OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(users.checks) {
		users.checks <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := users.verify(ctx, "ann", "ann-pw"); err != errCrowded {
		t.Error("more are checked at once than may be")
	}
	<-users.checks
	if _, err := users.verify(t.Context(), "ann", "ann-pw"); err != nil {
		t.Error("not checked in its turn")
	}
}

// What is remembered of passwords has a limit.
func TestVerifiedPasswordsAreBounded(t *testing.T) {
	c := newCredentials(Options{Users: slowUsers(t)}, "wsrun_1", "/")
	c.users.match = bcrypt.CompareHashAndPassword
	for i := range maxVerified {
		c.verified[fmt.Sprint(i)] = "x"
	}
	if got := knock(c, "192.0.2.1:1", "ann-pw"); got != 200 || len(c.verified) > maxVerified {
		t.Errorf("%d, %d passwords are remembered", got, len(c.verified))
	}
}
