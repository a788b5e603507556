package access

import (
	"net/http"
	"strings"
)

// maxLogin is how large the body of a log-in may be, in bytes.
const maxLogin = 4 << 10

// Login answers a request whose form has the token, or a user and a password, with a cookie. If
// they are wrong, it returns the refusal instead and leaves the answer to the caller.
func (g *Guard) Login(w http.ResponseWriter, r *http.Request) *Refusal {
	return g.credentials.login(w, r)
}

func (c *credentials) login(w http.ResponseWriter, r *http.Request) *Refusal {
	if !c.needed() {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	r.URL.RawQuery = "" // PostFormValue would parse it, too
	r.PostFormValue("") // reads the body, before an attempt that others may have to wait for
	user, hash := "", c.token
	refused := c.attempt(r, func() (err error) {
		if c.users == nil {
			return c.checkToken(r.PostFormValue("token"))
		}
		user = r.PostFormValue("user")
		hash, err = c.passwordHash(r, user, r.PostFormValue("password"))
		return err
	})
	if refused != nil {
		return refused
	}
	http.SetCookie(w, &http.Cookie{
		Name: c.cookieName, Value: c.cookieValue(user, hash), Path: c.cookiePath, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// Behind a proxy that ends TLS, only the page's own Origin shows that the browser uses https.
		Secure: r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://"),
	})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
