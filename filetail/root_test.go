//go:build unix

package filetail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A hostile place: what may be read says inside, everything else says outside.
const inside, outside = "inside", "OUTSIDE"

// newHostile makes the directories logs and more and the files given.log and
// link.log, which a Root gets, and all around them what it must not open. It returns
// the directory that holds them.
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

// open opens a path in a second, and says what it found.
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

// hostilePaths returns paths that must not be found, in every form that a server, a
// proxy or a careless join could resolve.
func hostilePaths(base string) []string {
	logs := base + "/logs"
	paths := []string{
		"", "/", ".", "..", "//", "/.", "/..", "\x00", "/\x00", "a.log", "logs/a.log", "~/a.log", base, logs, logs + "/", base + "/more", base + "/",
		logs + "/a.log/", logs + "/a.log/.", logs + "/a.log/..", logs + "//a.log", "/" + logs + "/a.log", logs + "/./a.log", logs + "/sub/../a.log",
		logs + "/a.log\x00", logs + "/a.log\x00.txt", logs + "\x00/../secret", logs + "/a.log ", logs + "/a.log.", logs + "/a.log::$DATA", logs + "/A.LOG?",
		logs + "/a.log;x=1", logs + ";x=1/a.log", logs + "/a.log?tail=1", logs + "/a.log#x", logs + "/a.log%00", logs + "/none", logs + "/sub", logs + "/sub/deep",
		logs + "/*", logs + "/a.lo?", logs + "/[a].log", logs + "/{a,b}.log", logs + "/$(a).log", logs + "/a.log\n", logs + "/\r\n",
		base + "/logs-secret/a.log", base + "/logs-secret", base + "/logs.log", base + "/log", base + "/logsa.log", base + "/secret", base + "/given.log.1",
		base + "/given.logs", base + "/given.log/", base + "/given.log/../secret", base + "/given.log/x", base + "/elsewhere/target.log", base + "/elsewhere/secret",
		base + "/link.log/../secret", "/etc/passwd", "/proc/self/environ", "/proc/self/root" + base + "/secret", "/proc/self/cwd/root_test.go", "/proc/1/mem",
		"/dev/null", "/dev/zero", "/dev/stdin", "/dev/tty", "/sys/kernel/notes", "file://" + base + "/secret", "http://127.0.0.1" + base + "/secret",
		"/file:" + base + "/secret", "//127.0.0.1" + base + "/secret", "/C:/Windows/win.ini", "C:\\Windows\\win.ini", "\\\\host\\share\\a", "/\\etc\\passwd", logs + "/CON", logs + "/NUL",
		logs + "/" + strings.Repeat("a", 255), logs + "/" + strings.Repeat("a", 256), logs + "/" + strings.Repeat("a", 100_000),
		logs + "/" + strings.Repeat("a/", 2000) + "b", logs + "/" + strings.Repeat("sub/../", 100_000) + "a.log", strings.Repeat("/", 1<<20), "/" + strings.Repeat("../", 1<<20) + "etc/passwd",
		logs + strings.Repeat("/.", 1<<20) + "/a.log", strings.Repeat("\x00", 1<<20), strings.Repeat("\xff", 5000),
	}
	for n := 0; n < 64; n++ { // descriptors of this process
		paths = append(paths, fmt.Sprintf("/proc/self/fd/%d", n), fmt.Sprintf("/dev/fd/%d", n))
	}
	dots := []string{
		"..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25252e%25252e", "\xc0\xae\xc0\xae", "%c0%ae%c0%ae", "\xe0\x80\xae\xe0\x80\xae", "\xf0\x80\x80\xae.",
		"%uff0e%uff0e", "．．", "‥", "...", "....", ".. ", " ..", "..;", "..;/x/..", "..\x00", "\x00..", "..\\", ".\\.", "..%00", "..\t", "..%0d%0a", "%%32%65%%32%65",
	}
	slashes := []string{"/", "//", "\\", "%2f", "%2F", "%252f", "%5c", "%255c", "\xc0\xaf", "%c0%af", "\xe0\x80\xaf", "∕", "⁄", "／", "/./", "/;/", "\x00/"}
	for _, dot := range dots {
		for _, slash := range slashes {
			for _, target := range []string{"secret", "logs-secret/a.log", "etc/passwd"} {
				paths = append(paths, logs+slash+dot+slash+target, logs+"/sub"+slash+dot+slash+dot+slash+target)
			}
		}
	}
	// Each once more as a server has it, its percent signs resolved.
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

func TestWhatMayBeRead(t *testing.T) {
	base, r := newHostile(t)
	for _, p := range []string{
		"logs/a.log", "logs/sub/b.log", "logs/sub/deep/c.log", "logs/.hidden", "logs/a;b.log", "logs/a b%2e.log", "logs/...", "logs/ü.log",
		"more/d.log", "given.log", "link.log",
	} {
		if got := open(t, r, base+"/"+p); got != inside {
			t.Errorf("Open(%q) = %q", p, got)
		}
	}
	must(t, r.Close())
	must(t, r.Close())
	if got := open(t, r, base+"/logs/a.log") + open(t, r, base+"/given.log") + open(t, r, base+"/link.log"); got != "" {
		t.Errorf("after Close: %q", got)
	}
}

func TestSymlinksAndOtherFiles(t *testing.T) {
	base, r := newHostile(t)
	logs := base + "/logs"
	secret, err := os.Open(base + "/secret")
	must(t, err)
	defer secret.Close()
	long := strings.Repeat("./", 1900) // a target may have 4095 bytes
	links := map[string]struct{ target, want string }{
		"relative":          {"a.log", inside},
		"below":             {"sub/deep/c.log", inside},
		"sub/up":            {"../a.log", inside},
		"sub/deep/absolute": {logs + "/a.log", inside},
		"absolute":          {logs + "/sub/b.log", inside},
		"absolute-dots":     {logs + "/sub/../a.log", inside},
		"other-place":       {base + "/more/d.log", inside},
		"other-relative":    {"../more/d.log", inside},
		"given":             {base + "/given.log", inside},
		"given-link":        {"../link.log", inside},
		"chain":             {"chain1", inside},
		"chain1":            {logs + "/chain2", inside},
		"chain2":            {"sub/chain3", inside},
		"sub/chain3":        {logs + "/absolute", inside},
		"dir":               {logs + "/sub", ""},
		"dir-relative":      {"sub", ""},
		"around":            {"../logs/a.log", inside},
		"long":              {long + "a.log", inside},

		"to-secret":      {base + "/secret", ""},
		"to-secret-up":   {"../secret", ""},
		"to-parent":      {"..", ""},
		"to-parent-2":    {base, ""},
		"to-root":        {"/", ""},
		"to-self":        {".", ""},
		"to-prefix":      {base + "/logs-secret/a.log", ""},
		"to-prefix-up":   {"../logs-secret/a.log", ""},
		"to-elsewhere":   {base + "/elsewhere/target.log", ""},
		"to-given.log.1": {base + "/given.log.1", ""},
		"to-etc":         {"/etc/passwd", ""},
		"to-fd":          {fmt.Sprintf("/proc/self/fd/%d", secret.Fd()), ""},
		"to-root-link":   {"/proc/self/root" + base + "/secret", ""},
		"to-cwd":         {"/proc/self/cwd/root_test.go", ""},
		"to-null":        {"/dev/null", ""},
		"to-tty":         {"/dev/tty", ""},
		"to-fifo":        {"fifo", ""},
		"to-nothing":     {"nothing", ""},
		"to-nothing-2":   {logs + "/nothing", ""},
		"loop":           {"loop", ""},
		"loop1":          {"loop2", ""},
		"loop2":          {logs + "/loop1", ""},
		"sub/loop":       {"../sub/loop/x", ""},
		"to-backslash":   {"..\\secret", ""},
		"to-chain":       {"to-chain1", ""},
		"to-chain1":      {logs + "/to-secret-up", ""},
		"sub/mixed":      {logs + "/../logs-secret/a.log", ""},
		"sub/mixed2":     {base + "/logs/sub/../../secret", ""},
	}
	for name, l := range links {
		must(t, os.Symlink(l.target, logs+"/"+name))
	}
	for i := range 60 {
		must(t, os.Symlink(fmt.Sprintf("%s/n%d", logs, i+1), fmt.Sprintf("%s/n%d", logs, i)))
	}
	must(t, os.Symlink("a.log", logs+"/n60"))
	must(t, syscall.Mkfifo(logs+"/fifo", 0o666))
	l, err := net.Listen("unix", logs+"/socket")
	must(t, err)
	defer l.Close()
	must(t, os.Link(base+"/given.log", logs+"/hard"))
	device := syscall.Mknod(logs+"/device", syscall.S_IFCHR|0o666, 1<<8|5) == nil // zero

	want := map[string]string{
		"fifo": "", "socket": "", "device": "", "hard": inside, "n0": "", "n30": inside, "n59": inside,
		"dir/b.log": inside, "dir/deep/c.log": inside, "dir-relative/b.log": inside, "dir/": "", "dir/none": "", "dir/deep/absolute": inside,
		"to-parent/secret": "", "to-parent/logs/a.log": inside, "to-parent-2/secret": "", "to-parent-2/logs/a.log": inside,
		"to-parent-2/given.log": inside, "to-root/etc/passwd": "", "to-root" + base + "/secret": "", "to-root" + logs + "/a.log": inside, "to-self/a.log": inside,
		"to-self/to-self/to-self/to-self/to-self/to-self/to-self/to-self/to-self/a.log": inside, strings.Repeat("to-self/", 500) + "to-secret": "",
		strings.Repeat("to-parent-2/logs/", 100) + "a.log": "", "loop/a": "", "loop1/a": "", "sub/loop/x/x": "", "to-fd/x": "", "a.log/x": "", "relative/..": "",
	}
	for name, l := range links {
		want[name] = l.want
	}
	for name, want := range want {
		if name == "device" && !device {
			continue
		}
		if got := open(t, r, logs+"/"+name); got != want {
			t.Errorf("Open(logs/%.100q) = %q, want %q", name, got, want)
		}
	}
}

// TestOpenDoesNotWakeAFIFO has a writer wait for a reader: it must not get one.
func TestOpenDoesNotWakeAFIFO(t *testing.T) {
	base, r := newHostile(t)
	fifo := base + "/logs/fifo"
	must(t, syscall.Mkfifo(fifo, 0o666))
	woken := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		woken <- err
	}()
	// There is no way to see that the writer waits, nor that it goes on doing so.
	tries := 0
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); tries++ {
		if got := open(t, r, fifo); got != "" {
			t.Fatalf("Open = %q", got)
		}
	}
	t.Attr("promise", "a FIFO is refused, and its writer does not wake")
	t.Attr("figure", fmt.Sprintf("%d tries", tries))
	select {
	case err := <-woken:
		t.Errorf("the writer was woken: %v", err)
	default:
		f, err := os.OpenFile(fifo, os.O_RDONLY, 0)
		must(t, err)
		f.Close()
		must(t, <-woken)
	}
}

// TestSymlinkSwaps swaps links between an inside and an outside target, each in one
// step, while they are opened: 10,000 times one link, 1,000 times others.
func TestSymlinkSwaps(t *testing.T) {
	for name, tt := range map[string]struct{ link, in, out, open string }{
		"a file":                {"logs/link", "a.log", "../secret", "logs/link"},
		"a file, absolute":      {"logs/link", "/logs/a.log", "/secret", "logs/link"},
		"a directory":           {"logs/dir", "sub", "../etc", "logs/dir/passwd"},
		"a directory, absolute": {"logs/dir", "/logs/sub", "/etc", "logs/dir/passwd"},
		"in a chain":            {"logs/sub/link", "/logs/a.log", "/secret", "logs/first"},
		"the file given":        {"given.log", "logs/a.log", "secret", "given.log"},
		"the directory given":   {"more", "logs/sub", "etc", "more/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, r := newHostile(t)
			put(t, base, map[string]string{"logs/sub/passwd": inside})
			must(t, os.Symlink("sub/link", base+"/logs/first"))
			swaps := 1000
			if name == "a file" && !testing.Short() {
				swaps = 10_000
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				link, next := base+"/"+tt.link, base+"/next"
				must(t, os.RemoveAll(link))
				for i := range swaps {
					target := tt.in
					if i%2 == 0 {
						target = tt.out
					}
					if strings.HasPrefix(target, "/") {
						target = base + target
					}
					if os.Symlink(target, next) != nil || os.Rename(next, link) != nil {
						t.Errorf("swap %d failed", i)
						return
					}
				}
			}()
			found, not := 0, 0
			for {
				f, err := r.Open(base + "/" + tt.open)
				switch {
				case err == nil:
					found++
					b, err := io.ReadAll(f)
					f.Close()
					if err != nil || !bytes.Equal(b, []byte(inside)) {
						t.Fatalf("read %q, %v", b, err)
					}
				case err != ErrNotFound:
					t.Fatal(err)
				default:
					not++
				}
				select {
				case <-done:
					t.Attr("promise", "a link that is swapped leads nowhere outside: "+name)
					t.Attr("figure", fmt.Sprintf("%d opens during %d swaps: %d found what is inside, %d nothing", found+not, swaps, found, not))
					if wantFound := name != "the directory given"; wantFound != (found > 0) {
						t.Errorf("found any: %v, want %v", found > 0, wantFound)
					}
					return
				default:
				}
			}
		})
	}
}

func TestGivenNamesAreLookedUpAgain(t *testing.T) {
	base, r := newHostile(t)
	expect := func(what, name, want string) {
		t.Helper()
		if got := open(t, r, base+"/"+name); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	given, link, more := base+"/given.log", base+"/link.log", base+"/more"
	must(t, os.Rename(given, given+".2"))
	expect("a file moved", "given.log", "")
	expect("its new name", "given.log.2", "")
	put(t, base, map[string]string{"given.log": inside + " again"})
	expect("a file rotated", "given.log", inside+" again")
	must(t, os.Remove(given))
	must(t, os.Symlink("given.log.2", given))
	expect("a file that has become a link, to what is beside it", "given.log", "")
	for target, want := range map[string]string{
		given + ".2": "", "elsewhere/secret": "", "../../etc/passwd": "", "given.log": "",
		"logs/a.log": inside, base + "/logs/a.log": inside, "link.log": inside,
	} {
		must(t, os.Remove(given))
		must(t, os.Symlink(target, given))
		expect("a link to "+target, "given.log", want)
	}
	must(t, os.Remove(given))
	must(t, os.Mkdir(given, 0o755))
	expect("a file that has become a directory", "given.log", "")

	must(t, os.Remove(link))
	must(t, os.Symlink("more/d.log", link))
	expect("a link given, to another file", "link.log", inside)
	must(t, os.Remove(link))
	must(t, os.Symlink("/dev/null", link))
	expect("a link given, to a device", "link.log", "")

	must(t, os.Rename(more, more+".1"))
	expect("a directory moved", "more/d.log", inside) // held
	put(t, base, map[string]string{"more/e.log": inside})
	expect("a directory made anew", "more/e.log", inside)
	expect("what was in the one before", "more/d.log", "")
	must(t, os.RemoveAll(more))
	must(t, os.Symlink("elsewhere", more))
	expect("a directory that has become a link", "more/secret", "")
}

func TestNewRoot(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a.log": "", `b\.log`: ""})
	must(t, syscall.Mkfifo(dir+"/fifo", 0o666))
	for _, tt := range []struct {
		path, want string
		is         error
	}{
		{dir + "/none", "no such file or directory", fs.ErrNotExist},
		{dir + "/a.log/x", "not a directory", nil},
		{dir + "/fifo", "neither a file nor a directory", nil},
		{"/dev/null", "neither a file nor a directory", nil},
		{dir + `/b\.log`, "a path with such characters, or of such length, cannot be asked for", nil},
	} {
		_, err := NewRoot(dir, tt.path)
		if want := fmt.Sprintf("read %q: %s", tt.path, tt.want); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("error %v does not wrap %v", err, tt.is)
		}
	}
	if os.Geteuid() != 0 {
		must(t, os.Chmod(dir+"/a.log", 0))
		if _, err := NewRoot(dir + "/a.log"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error %v, want permission denied", err)
		}
		return
	}
}

// TestRelativePathsAreGivenAbsolutely gives "." and a name in it.
func TestRelativePathsAreGivenAbsolutely(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	t.Chdir(dir)
	put(t, ".", map[string]string{"a.log": inside, "sub/b.log": inside})
	for _, path := range []string{".", "sub/../a.log", "./"} {
		r, err := NewRoot(path)
		must(t, err)
		if got := open(t, r, dir+"/a.log"); got != inside {
			t.Errorf("below %q: %q", path, got)
		}
		r.Close()
	}
	r, err := NewRoot("/")
	must(t, err)
	defer r.Close()
	if got := open(t, r, dir+"/a.log"); got != inside {
		t.Errorf("below /: %q", got)
	}
	if got := open(t, r, "/dev/null"); got != "" {
		t.Errorf("below /: %q", got)
	}
}
