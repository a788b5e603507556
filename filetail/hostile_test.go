//go:build unix

package filetail

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// In a hostile directory, the files that may be read contain inside, all others outside.
const inside, outside = "inside", "OUTSIDE"

// newHostile creates the directories logs and more and the files given.log and link.log,
// which the Root is given, and all around them files that the Root must not open. It
// returns the directory that holds all of them.
func newHostile(t testing.TB) (string, *Root) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	put(t, base, map[string]string{
		"logs/a.log": inside, "logs/sub/b.log": inside, "logs/sub/deep/c.log": inside, "logs/.hidden": inside,
		"logs/a;b.log": inside, "logs/a b%2e.log": inside, "logs/...": inside, "logs/ü.log": inside,
		"more/d.log": inside, "given.log": inside, "elsewhere/target.log": inside,
		"secret": outside, "given.log.1": outside, "given.logs": outside, "logs-secret/a.log": outside, "logs.log": outside,
		"elsewhere/secret": outside, "etc/passwd": outside,
	})
	must(t, os.Symlink("elsewhere/target.log", filepath.Join(base, "link.log")))
	r, err := NewRoot(filepath.Join(base, "logs"), filepath.Join(base, "more"), filepath.Join(base, "given.log"), filepath.Join(base, "link.log"))
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return base, r
}

// open opens a path, which must take less than a second, and returns what it found.
func open(t testing.TB, r *Root, name string) string {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		f, err := r.Open(name)
		switch {
		case err == ErrNotFound && f == nil:
			got <- ""
		case err != nil:
			got <- fmt.Sprintf("error %v", err)
		default:
			defer f.Close()
			b, err := io.ReadAll(io.LimitReader(f, 100))
			got <- fmt.Sprint(string(b), err)
		}
	}()
	select {
	case s := <-got:
		return strings.TrimSuffix(s, "<nil>")
	case <-time.After(time.Second):
		t.Fatalf("Open(%.200q) takes more than a second", name)
		return ""
	}
}

// hostilePaths returns paths that must not be found, in every form that a server, a proxy
// or a careless join could resolve.
func hostilePaths(base string) []string {
	logs := base + "/logs"
	paths := []string{
		"", "/", ".", "..", "//", "/.", "/..", "\x00", "/\x00", "a.log", "logs/a.log", "~/a.log", base, logs, logs + "/", base + "/more", base + "/",
		logs + "/a.log/", logs + "/a.log/.", logs + "/a.log/..", logs + "//a.log", "/" + logs + "/a.log", logs + "/./a.log", logs + "/sub/../a.log",
		logs + "/a.log\x00", logs + "/a.log\x00.txt", logs + "\x00/../secret", logs + "/a.log ", logs + "/a.log.",
		logs + "/a.log::$DATA", logs + "/A.LOG?",
		logs + "/a.log;x=1", logs + ";x=1/a.log", logs + "/a.log?tail=1", logs + "/a.log#x", logs + "/a.log%00", logs + "/none",
		logs + "/sub", logs + "/sub/deep",
		logs + "/*", logs + "/a.lo?", logs + "/[a].log", logs + "/{a,b}.log", logs + "/$(a).log", logs + "/a.log\n", logs + "/\r\n",
		base + "/logs-secret/a.log", base + "/logs-secret", base + "/logs.log", base + "/log", base + "/logsa.log", base + "/secret",
		base + "/given.log.1",
		base + "/given.logs", base + "/given.log/", base + "/given.log/../secret", base + "/given.log/x",
		base + "/elsewhere/target.log", base + "/elsewhere/secret",
		base + "/link.log/../secret", "/etc/passwd", "/proc/self/environ", "/proc/self/root" + base + "/secret",
		"/proc/self/cwd/root_test.go", "/proc/1/mem",
		"/dev/null", "/dev/zero", "/dev/stdin", "/dev/tty", "/sys/kernel/notes", "file://" + base + "/secret", "http://127.0.0.1" + base + "/secret",
		"/file:" + base + "/secret", "//127.0.0.1" + base + "/secret", "/C:/Windows/win.ini", "C:\\Windows\\win.ini",
		"\\\\host\\share\\a", "/\\etc\\passwd", logs + "/CON", logs + "/NUL",
		logs + "/" + strings.Repeat("a", 255), logs + "/" + strings.Repeat("a", 256), logs + "/" + strings.Repeat("a", 100_000),
		logs + "/" + strings.Repeat("a/", 2000) + "b", logs + "/" + strings.Repeat("sub/../", 100_000) + "a.log",
		strings.Repeat("/", 1<<20), "/" + strings.Repeat("../", 1<<20) + "etc/passwd",
		logs + strings.Repeat("/.", 1<<20) + "/a.log", strings.Repeat("\x00", 1<<20), strings.Repeat("\xff", 5000),
	}
	for n := 0; n < 64; n++ { // descriptors of this process
		paths = append(paths, fmt.Sprintf("/proc/self/fd/%d", n), fmt.Sprintf("/dev/fd/%d", n))
	}
	dots := []string{
		"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25252e%25252e", "\xc0\xae\xc0\xae", "%c0%ae%c0%ae", "\xe0\x80\xae\xe0\x80\xae",
		"\xf0\x80\x80\xae.",
		"%uff0e%uff0e", "．．", "‥", "...", "....", ".. ", " ..", "..;", "..;/x/..", "..\x00", "\x00..", "..\\", ".\\.", "..%00", "..\t",
		"..%0d%0a", "%%32%65%%32%65",
	}
	slashes := []string{"/", "//", "\\", "%2f", "%2F", "%252f", "%5c", "%255c", "\xc0\xaf", "%c0%af", "\xe0\x80\xaf", "∕", "⁄", "／",
		"/./", "/;/", "\x00/"}
	for _, dot := range dots {
		for _, slash := range slashes {
			for _, target := range []string{"secret", "logs-secret/a.log", "etc/passwd"} {
				paths = append(paths, logs+slash+dot+slash+target, logs+"/sub"+slash+dot+slash+dot+slash+target)
			}
		}
	}
	// Each once more in the form that a server has, with its percent signs resolved.
	for _, p := range paths {
		if resolved, err := url.PathUnescape(p); err == nil && resolved != p {
			paths = append(paths, resolved)
		}
	}
	return paths
}

func TestHostilePaths(t *testing.T) {
	base, r := newHostile(t)
	f, err := os.Open(base + "/secret") // for /proc/self/fd
	must(t, err)
	defer f.Close()
	paths := hostilePaths(base)
	if len(paths) < 300 {
		t.Fatalf("only %d paths", len(paths))
	}
	begin := time.Now()
	for _, p := range paths {
		if got := open(t, r, p); got != "" {
			t.Errorf("Open(%.200q) = %q", p, got)
		}
	}
	t.Logf("%d paths in %v", len(paths), time.Since(begin))
	t.Attr("promise", "no path opens a file from outside")
	t.Attr("figure", fmt.Sprintf("%d paths, 0 opened", len(paths)))
}
