package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
)

// maxVerified is how many correct passwords are remembered, sealed, so that a script's
// requests don't cost one bcrypt each.
const maxVerified = 256

// A proof is how a request has shown that it may see output.
type proof int

const (
	noProof        proof = iota
	proofNotNeeded       // wsrun asks for neither a token nor a user
	headerProof
	cookieProof // a browser also adds the cookie to requests that other pages make
)

// The credentials that wsrun accepts are a token, or a user and a password, and the cookie that
// a log-in exchanges them for. Methods may be called concurrently.
type credentials struct {
	token    string
	users    *Users // nil: the token is needed, or nothing if that is empty
	throttle throttle

	cookieName string
	cookiePath string
	key        []byte // of the seals; new for each run

	// Every request that proves something is compared with these, so they are sealed only once.
	sealedToken string
	tokenCookie string // value of the cookie for the token

	mu       sync.Mutex
	verified map[string]string // by sealed user and password: the hash that they matched
}

func newCredentials(o Options, cookieName, cookiePath string) *credentials {
	c := &credentials{
		token: o.Token, users: o.Users, cookieName: cookieName, cookiePath: cookiePath,
		key: make([]byte, 32), verified: map[string]string{},
	}
	rand.Read(c.key)
	c.sealedToken, c.tokenCookie = c.seal("token", c.token), c.cookieValue("", c.token)
	return c
}

// seal returns a code for a list of strings that only this run can compute, and that reveals
// none of them.
func (c *credentials) seal(parts ...string) string {
	mac := hmac.New(sha256.New, c.key)
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p)) // of a fixed size, so that ("ab", "c") and ("a", "bc") differ
		mac.Write(sum[:])
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// equal takes the same time for all strings of the same length.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// needed reports whether a request has to prove anything.
func (c *credentials) needed() bool { return c.token != "" || c.users != nil }

// authenticate returns r's proof, or else the refusal. Cookies are checked first, because a
// browser may be sending a proxy's password in the Authorization header. A wrong cookie does
// not count as a wrong attempt: browsers still send those of earlier runs, and guessing one is
// hopeless.
func (c *credentials) authenticate(r *http.Request) (proof, *Refusal) {
	if !c.needed() {
		return proofNotNeeded, nil
	}
	if c.hasCookie(r) {
		return cookieProof, nil
	}
	check := c.headerCheck(r)
	if check == nil {
		return noProof, c.refusal(errWrong)
	}
	if refused := c.attempt(r, check); refused != nil {
		return noProof, refused
	}
	return headerProof, nil
}

// headerCheck returns a function that checks r's Authorization header; nil if the header is
// missing or has another scheme, which is meant for a proxy and not an attempt to log in here.
func (c *credentials) headerCheck(r *http.Request) func() error {
	if c.users != nil {
		user, password, ok := r.BasicAuth()
		if !ok {
			return nil
		}
		return func() error {
			_, err := c.passwordHash(r, user, password)
			return err
		}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	return func() error { return c.checkToken(strings.TrimSpace(token)) }
}

// checkToken returns errWrong unless token is the right one.
func (c *credentials) checkToken(token string) error {
	if !equal(c.seal("token", token), c.sealedToken) {
		return errWrong
	}
	return nil
}

// passwordHash returns the hash that a user's password matches. Its errors are those of
// [Users.verify].
func (c *credentials) passwordHash(r *http.Request, user, password string) (string, error) {
	sealed := c.seal("password", user, password)
	c.mu.Lock()
	hash := c.verified[sealed]
	c.mu.Unlock()
	if hash != "" && hash == c.users.hash(user) {
		return hash, nil
	}
	hash, err := c.users.verify(r.Context(), user, password)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.verified) >= maxVerified {
		clear(c.verified)
	}
	c.verified[sealed] = hash
	return hash, nil
}

// attempt calls check, unless r's address has made too many wrong attempts, and returns the
// refusal if there is one.
func (c *credentials) attempt(r *http.Request, check func() error) *Refusal {
	return c.refusal(c.throttle.attempt(r.Context(), r.RemoteAddr, check))
}

// refusal returns the answer to an attempt that ended with err; nil if it succeeded.
func (c *credentials) refusal(err error) *Refusal {
	switch err {
	case nil:
		return nil
	case errWrong:
		return &Refusal{Reason: Token, Status: http.StatusUnauthorized, Text: c.instruction(), Challenge: c.challenge()}
	case errTooMany:
		return &Refusal{Reason: Rate, Status: http.StatusTooManyRequests, Text: err.Error(), RetryTime: 1}
	}
	return &Refusal{Reason: Full, Status: http.StatusServiceUnavailable, Text: err.Error(), RetryTime: 1}
}

// instruction is for someone whose request proves nothing.
func (c *credentials) instruction() string {
	if c.users != nil {
		return "a user and a password are needed"
	}
	return "a token is needed: it is part of the URL that wsrun printed"
}

// challenge returns the WWW-Authenticate header (RFC 9110, section 11.6.1). Its scheme is never
// Basic: a browser would ask with its own dialog, and from then on send the password even with
// requests that other sites' pages make.
func (c *credentials) challenge() string {
	if c.users != nil {
		return `Cookie realm="wsrun"`
	}
	return `Bearer realm="wsrun"`
}
