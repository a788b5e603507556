package access

import (
	"net/http"
	"strconv"
	"unicode/utf8"
)

// A Reason is why a request is refused, as metrics and logs call it.
type Reason string

// The guard's reasons.
const (
	Host   Reason = "host"   // the request is for another server
	Origin Reason = "origin" // another site's page has made it
	Token  Reason = "token"  // it has not shown what it must
	Rate   Reason = "rate"   // its address has shown too much that was wrong
	Full   Reason = "full"   // there is no room for it now
)

// A Refusal is the answer to a request that gets nothing else.
type Refusal struct {
	Reason    Reason
	Status    int    // of HTTP
	Text      string // for its reader, what a stranger sent quoted
	Challenge string // the WWW-Authenticate header, if any
	Allow     string // the Allow header, if any
	RetryTime int    // the Retry-After header, in seconds, if any
}

// Answer sends the refusal.
func (f *Refusal) Answer(w http.ResponseWriter) {
	h := w.Header()
	for name, value := range map[string]string{"WWW-Authenticate": f.Challenge, "Allow": f.Allow} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if f.RetryTime > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryTime))
	}
	http.Error(w, f.Text, f.Status)
}

func forbidden(text string) *Refusal {
	return &Refusal{Reason: Origin, Status: http.StatusForbidden, Text: text}
}

// maxQuoted is how much of what a stranger sent is sent back, in bytes.
const maxQuoted = 256

// quote quotes what a stranger sent, so that it can't drive a terminal.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}
