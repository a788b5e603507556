package access

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// maxCookies is how many cookies of wsrun's name are checked. A browser sends one for each path
// that it has one for.
const maxCookies = 8

// cookieName returns the name of the cookie for a listener. Cookies ignore ports, and a proxy may
// serve several Unix sockets under one name, so each listener needs a name of its own.
func cookieName(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return fmt.Sprintf("wsrun_%d", tcp.Port)
	}
	return fmt.Sprintf("wsrun_%.4x", sha256.Sum256([]byte(addr.String())))
}

// hasCookie reports whether r has a cookie that a log-in to this run returned. It keeps no
// cookie; [http.Request.CookiesNamed] would allocate 16 bytes for each one that a stranger sends
// in a byte.
func (c *credentials) hasCookie(r *http.Request) bool {
	checked := 0
	for _, line := range r.Header.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(pair, "=")
			if strings.TrimSpace(name) != c.cookieName {
				continue
			}
			if c.validCookie(strings.TrimSpace(value)) {
				return true
			}
			if checked++; checked == maxCookies {
				return false
			}
		}
	}
	return false
}

// cookieValue returns a cookie's value. The cookie becomes invalid when the user is removed or
// gets another password. For a token, user is empty and hash is the token.
func (c *credentials) cookieValue(user, hash string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(user)) + "." + c.seal("cookie", user, hash)
}

func (c *credentials) validCookie(value string) bool {
	if c.users == nil {
		return equal(value, c.tokenCookie)
	}
	name, _, _ := strings.Cut(value, ".")
	user, err := base64.RawURLEncoding.DecodeString(name)
	hash := c.users.hash(string(user))
	return err == nil && hash != "" && equal(value, c.cookieValue(string(user), hash))
}
