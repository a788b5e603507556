package access

import (
	"net/http"
	"strconv"
	"unicode/utf8"
)

// A Reason is why a request is refused, in the words of metrics and logs.
type Reason string

// The guard's reasons.
const (
	Host   Reason = "host"   // the request is for another server
	Origin Reason = "origin" // another site's page made the request
	Token  Reason = "token"  // the request lacks the right credentials
	Rate   Reason = "rate"   // its client has sent too many wrong credentials
	Full   Reason = "full"   // too many others are being served now
)

// A Refusal is the answer to a request that gets nothing else.
type Refusal struct {
	Reason    Reason
	Status    int    // of HTTP
	Text      string // for the user; parts of the request are quoted
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

// maxQuoted is how much of a string in a request is sent back, in bytes.
const maxQuoted = 256

// quote quotes a string from a request, so that it can't control a terminal.
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
