package access

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// A proxy may serve several Unix sockets under one name, and browsers keep one cookie of each
// name.
func TestCookieNamesOfSockets(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{"/run/a.sock", "/run/b.sock", "/run/a.sock", "@a"} {
		name := cookieName(&net.UnixAddr{Name: path, Net: "unix"})
		if !regexp.MustCompile(`^wsrun_[0-9a-f]{8}$`).MatchString(name) {
			t.Errorf("%s: %q", path, name)
		}
		seen[name] = true
	}
	if len(seen) != 3 {
		t.Errorf("names for three paths: %v", seen)
	}
}

// Eight cookies of wsrun's name are checked, wherever they are in the headers, and cookies cost
// no memory.
func TestHasCookie(t *testing.T) {
	c := newCredentials(Options{Token: "secret"}, "wsrun_1", "/")
	good := "wsrun_1=" + c.tokenCookie
	for _, tt := range []struct {
		lines []string
		want  bool
	}{
		{nil, false}, {[]string{""}, false}, {[]string{good}, true}, {[]string{"a=b;" + good + " ; c"}, true}, {[]string{"a=b", "c=d; " + good}, true},
		{[]string{good + "x"}, false}, {[]string{"x" + good}, false}, {[]string{"wsrun_1"}, false}, {[]string{"wsrun_1=secret"}, false},
		{[]string{strings.Repeat("wsrun_1=x; ", 7) + good}, true}, {[]string{strings.Repeat("wsrun_1=x; ", 8) + good}, false},
		{[]string{strings.Repeat("wsrun_2=x; ", 1000) + good}, true}, {[]string{strings.Repeat(";", 10_000) + good}, true},
	} {
		r := &http.Request{Header: http.Header{"Cookie": tt.lines}}
		if got := c.hasCookie(r); got != tt.want {
			t.Errorf("%.100q: %v", tt.lines, got)
		}
		if n := testing.AllocsPerRun(10, func() { c.hasCookie(r) }); n > 0 {
			t.Errorf("%.100q: %v allocations", tt.lines, n)
		}
	}
}
