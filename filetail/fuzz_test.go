//go:build unix

package filetail

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzOpen opens anything below a hostile directory, as a URL or as a path. It must find
// only what may be read, and only by the shortest form of its path.
func FuzzOpen(f *testing.F) {
	base, r := newHostile(f)
	for name, target := range map[string]string{"out": "../secret", "abs": base + "/secret", "dir": "..", "etc": "/etc",
		"loop": "loop", "in": "sub/b.log", "back": "../logs/a.log", "more": base + "/more"} {
		must(f, os.Symlink(target, filepath.Join(base, "logs", name)))
	}
	for _, p := range hostilePaths(base) {
		if len(p) < 300 {
			f.Add(strings.TrimPrefix(p, base))
		}
	}
	for _, p := range []string{"/logs/a.log", "/logs/in", "/logs/out", "/logs/abs", "/logs/dir/secret", "/logs/dir/logs/a.log",
		"/logs/etc/passwd", "/logs/loop", "/logs/loop/x", "/logs/back", "/logs/more/d.log", "/logs/sub/../in"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, rel string) {
		names := []string{rel, base + rel}
		for _, p := range names[:2] {
			if resolved, err := url.PathUnescape(p); err == nil {
				names = append(names, resolved)
			}
		}
		for _, name := range names {
			switch found := open(t, r, name); {
			case found == "":
			case found != inside:
				t.Errorf("%q: %q", name, found)
			case path.Clean(name) != name || !strings.HasPrefix(name, base+"/logs/") && !strings.HasPrefix(name, base+"/more/") &&
				name != base+"/given.log" && name != base+"/link.log":
				t.Errorf("%q is found", name)
			}
		}
	})
}
