package access

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// After five wrong attempts in a second, wherever a client makes them, even the right token is
// refused. A client that has logged in isn't affected.
func TestTooManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCredentials(Options{Token: "secret"}, "wsrun_1", "/")
		authenticate := func(addr, token string) (p proof, tooMany bool) {
			r, _ := http.NewRequest("GET", "/", nil)
			r.RemoteAddr = addr
			r.Header.Set("Authorization", "Bearer "+token)
			p, refused := c.authenticate(r)
			return p, refused != nil && refused.Status == 429
		}
		for range 20 {
			if p, _ := authenticate("192.0.2.1:1", "secret"); p != headerProof {
				t.Fatal("the right token counts as a wrong one")
			}
		}
		checked := 0
		for i := range 8 {
			_, tooMany := authenticate(fmt.Sprint("192.0.2.1:", i), "wrong")
			if tooMany != (i >= 5) {
				t.Errorf("wrong attempt %d: too many is %v", i, tooMany)
			}
			if !tooMany {
				checked++
			}
		}
		t.Attr("promise", "tokens can't be tried out")
		t.Attr("figure", fmt.Sprintf("%d tries a second heard", checked))
		if p, tooMany := authenticate("192.0.2.1:1", "secret"); p != noProof || !tooMany {
			t.Error("the right token is accepted after too many wrong ones")
		}
		if _, tooMany := authenticate("192.0.2.2:1", "wrong"); tooMany {
			t.Error("another address is refused as well")
		}
		r, _ := http.NewRequest("GET", "/", nil)
		r.RemoteAddr = "192.0.2.1:1"
		r.AddCookie(&http.Cookie{Name: "wsrun_1", Value: c.cookieValue("", "secret")})
		if p, _ := c.authenticate(r); p != cookieProof {
			t.Error("a cookie is refused after too many wrong tokens")
		}
		for i := range 5 {
			authenticate(fmt.Sprintf("[2001:db8::%d]:1", i), "wrong")
		}
		if _, tooMany := authenticate("[2001:db8::ffff]:1", "wrong"); !tooMany {
			t.Error("another address of the same /64 has attempts of its own")
		}
		time.Sleep(time.Second)
		if p, _ := authenticate("192.0.2.1:1", "secret"); p != headerProof {
			t.Error("still refused after a second")
		}
	})
}

// Each IPv4 address is a client, even on an IPv6 socket. All addresses of an IPv6 /64 are one
// client.
func TestClientPrefix(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true}, {"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true}, {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1", false},
		{"[2001:db8::1]:1", "[2001:db8::2]:1", true}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[fe80::1%a]:1", "[fe80::2%b]:1", true}, {"@", "", true}, {"0.0.0.0:1", "@", false},
	} {
		if got := ClientPrefix(tt.a) == ClientPrefix(tt.b); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

// sendPassword makes a request from addr with a password of ann's, and returns the status of
// the answer.
func sendPassword(c *credentials, addr, password string) int {
	r, _ := http.NewRequest("GET", "/", nil)
	r.RemoteAddr = addr
	r.SetBasicAuth("ann", password)
	if _, refused := c.authenticate(r); refused != nil {
		return refused.Status
	}
	return 200
}

// Correct passwords that a client sends at the same time are checked one after the other, and
// only wrong ones count.
func TestCorrectPasswordsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCredentials(Options{Users: slowUsers(t)}, "wsrun_1", "/")
		var wg sync.WaitGroup
		for range 4 * maxWrong {
			wg.Go(func() {
				if got := sendPassword(c, "192.0.2.1:1", "ann-pw"); got != 200 {
					t.Errorf("answered with %d", got)
				}
			})
		}
		wg.Wait()
	})
}

// A client that guesses passwords hardly delays others: at most one of its guesses is checked
// before theirs.
func TestFloodOfPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCredentials(Options{Users: slowUsers(t)}, "wsrun_1", "/")
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[int]int{}
		began := time.Now()
		worst := time.Duration(0)
		const guesser = "192.0.2.1:1"
		other := guesser
		for i := 2; c.throttle.client(other) == c.throttle.client(guesser); i++ {
			other = fmt.Sprintf("192.0.2.%d:1", i)
		}
		for i := range 2000 { // in 20 s
			wg.Go(func() {
				status := sendPassword(c, guesser, fmt.Sprint(i))
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
			})
			if i%300 == 299 {
				wg.Go(func() {
					sent := time.Now()
					if got := sendPassword(c, other, "ann-pw"); got != 200 {
						t.Errorf("the right password is answered with %d", got)
					}
					mu.Lock()
					defer mu.Unlock()
					worst = max(worst, time.Since(sent))
					c.mu.Lock()
					defer c.mu.Unlock()
					clear(c.verified)
				})
			}
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		if worst > 2*time.Second {
			t.Errorf("a right password is answered after %v, want the time of two checks", worst)
		}
		if took := time.Since(began); took > 20*time.Second+maxWaiting*time.Second || answers[503] == 0 || answers[200] > 0 {
			t.Errorf("the guesses are answered within %v: %v", took, answers)
		}
		t.Attr("promise", "who tries out passwords delays nobody at another address")
		t.Attr("figure", fmt.Sprintf("by %v, of 1 s a check; 2,000 wrong ones in 20 s", worst-time.Second))
	})
}

// While the queue for checks is full, clients are asked to retry.
func TestFullQueue(t *testing.T) {
	users := slowUsers(t)
	users.compare = bcrypt.CompareHashAndPassword
	c := newCredentials(Options{Users: users}, "wsrun_1", "/")
	for range cap(users.queue) {
		users.queue <- struct{}{}
	}
	if got := sendPassword(c, "192.0.2.1:1", "ann-pw"); got != 503 {
		t.Errorf("answered with %d", got)
	}
	w := httptest.NewRecorder()
	c.refusal(errBusy).Answer(w)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("the answer: %d, %v", w.Code, w.Header())
	}
	<-users.queue
	if got := sendPassword(c, "192.0.2.1:1", "ann-pw"); got != 200 {
		t.Errorf("after that: %d", got)
	}
}

func TestVerifiedPasswordsAreBounded(t *testing.T) {
	c := newCredentials(Options{Users: slowUsers(t)}, "wsrun_1", "/")
	c.users.compare = bcrypt.CompareHashAndPassword
	for i := range maxVerified {
		c.verified[fmt.Sprint(i)] = "x"
	}
	if got := sendPassword(c, "192.0.2.1:1", "ann-pw"); got != 200 || len(c.verified) > maxVerified {
		t.Errorf("%d, %d passwords are remembered", got, len(c.verified))
	}
}
