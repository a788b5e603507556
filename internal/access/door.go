package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
)

// maxCookies is how many cookies of wsrun's name are looked at: a browser sends one for each
// path that it knows one for.
const maxCookies = 8

// maxLogin is how large a log-in's body may be, in bytes.
const maxLogin = 4 << 10

// A credential is what a request has shown.
type credential int

const (
	nothing    credential = iota
	noneNeeded            // there is neither token nor users
	byHeader
	byCookie // which a browser adds whoever made it ask
)

// A door lets in those who know the token, or a user's password.
type door struct {
	token  string
	users  *Users // nil without
	cookie string // its name
	path   string // its path
	key    []byte // of cookies, new for each run: one tells nothing of what it was got for
	tries  throttle

	mu    sync.Mutex
	known map[string]string // by what was sent, sealed: the hash it was right for
}

// maxKnown is how many right passwords are remembered, sealed, so that a script's
// requests don't cost a bcrypt each.
const maxKnown = 256

func newDoor(o Options, cookie, path string) *door {
	d := &door{token: o.Token, users: o.Users, cookie: cookie, path: path, key: make([]byte, 32), known: map[string]string{}}
	rand.Read(d.key)
	return d
}

// seal returns what only this run can make of the parts.
func (d *door) seal(parts ...string) string {
	mac := hmac.New(sha256.New, d.key)
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p)) // so that no two lists of parts run together
		mac.Write(sum[:])
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// equal takes the same time for all values of a length.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// wanted says what is missing.
func (d *door) wanted() string {
	if d.users != nil {
		return "a user and a password are needed"
	}
	return "a token is needed: it is part of the URL that wsrun printed"
}

// challenge returns the WWW-Authenticate header. It is never Basic: browsers would
// ask by a dialog of their own, and from then on send the password with requests
// that any site makes them send.
func (d *door) challenge() string {
	if d.users != nil {
		return `Cookie realm="wsrun"`
	}
	return `Bearer realm="wsrun"`
}

// shown tells what r has shown, or why that is not heard. A cookie comes first: a
// browser may send what a proxy before wsrun asked it for in the other header. A wrong
// one is no try: those of an earlier run are, and none can be guessed.
func (d *door) shown(r *http.Request) (credential, *Refusal) {
	if d.token == "" && d.users == nil {
		return noneNeeded, nil
	}
	cookies := r.CookiesNamed(d.cookie)
	for _, c := range cookies[:min(len(cookies), maxCookies)] {
		if d.cookieRight(c.Value) {
			return byCookie, nil
		}
	}
	right := d.header(r)
	if right == nil {
		return nothing, d.refusal(errWrong)
	}
	if refused := d.try(r, right); refused != nil {
		return nothing, refused
	}
	return byHeader, nil
}

// try calls right if r's address may try, and returns why r is refused, if it is.
func (d *door) try(r *http.Request, right func() error) *Refusal {
	return d.refusal(d.tries.try(r.Context(), r.RemoteAddr, right))
}

// refusal returns what an outcome of a try is answered with; nil for a right one.
func (d *door) refusal(err error) *Refusal {
	switch err {
	case nil:
		return nil
	case errWrong:
		return &Refusal{Reason: Token, Status: http.StatusUnauthorized, Text: d.wanted(), Challenge: d.challenge()}
	case errTooMany:
		return &Refusal{Reason: Rate, Status: http.StatusTooManyRequests, Text: err.Error(), RetryTime: 1}
	}
	return &Refusal{Reason: Full, Status: http.StatusServiceUnavailable, Text: err.Error(), RetryTime: 1}
}

// header returns what checks r's Authorization; nil without one of the scheme that is
// asked for here: others are for a proxy, and no tries.
func (d *door) header(r *http.Request) (right func() error) {
	if user, password, ok := r.BasicAuth(); ok && d.users != nil {
		return func() error {
			_, err := d.hashOf(r, user, password)
			return err
		}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if d.users != nil || !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	return func() error { return d.isToken(strings.TrimSpace(token)) }
}

// isToken returns errWrong for another.
func (d *door) isToken(token string) error {
	if !equal(d.seal("token", token), d.seal("token", d.token)) {
		return errWrong
	}
	return nil
}

// hashOf returns the hash of a user's password, or the error of [Users.check].
func (d *door) hashOf(r *http.Request, user, password string) (string, error) {
	sealed := d.seal("password", user, password)
	d.mu.Lock()
	hash := d.known[sealed]
	d.mu.Unlock()
	if hash != "" && hash == d.users.hash(user) {
		return hash, nil
	}
	hash, err := d.users.check(r.Context(), user, password)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[sealed] = hash
	return hash, nil
}

// cookieFor returns a cookie's value, which stops being right when the user goes or
// gets another password.
func (d *door) cookieFor(user, hash string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(user)) + "." + d.seal("cookie", user, hash)
}

func (d *door) cookieRight(value string) bool {
	if d.users == nil {
		return equal(value, d.cookieFor("", d.token))
	}
	name, _, _ := strings.Cut(value, ".")
	user, err := base64.RawURLEncoding.DecodeString(name)
	hash := d.users.hash(string(user))
	return err == nil && hash != "" && equal(value, d.cookieFor(string(user), hash))
}

// Login answers a request that sends a token, or a user's password, as a form's values, with
// a cookie; or it returns why r is refused, without an answer.
func (g *Guard) Login(w http.ResponseWriter, r *http.Request) *Refusal { return g.door.login(w, r) }

func (d *door) login(w http.ResponseWriter, r *http.Request) *Refusal {
	if d.token == "" && d.users == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	r.PostFormValue("") // reads the form
	user, hash := "", d.token
	refused := d.try(r, func() (err error) {
		if d.users == nil {
			return d.isToken(r.PostFormValue("token"))
		}
		user = r.PostFormValue("user")
		hash, err = d.hashOf(r, user, r.PostFormValue("password"))
		return err
	})
	if refused != nil {
		return refused
	}
	http.SetCookie(w, &http.Cookie{
		Name: d.cookie, Value: d.cookieFor(user, hash), Path: d.path, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// Behind a proxy, the page's own Origin tells that it came by TLS.
		Secure: r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://"),
	})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
