package access

import (
	"net"
	"regexp"
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
