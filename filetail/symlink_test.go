//go:build unix

package filetail

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

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
		"to-parent-2/given.log": inside, "to-root/etc/passwd": "", "to-root" + base + "/secret": "",
		"to-root" + logs + "/a.log": inside, "to-self/a.log": inside,
		"to-self/to-self/to-self/to-self/to-self/to-self/to-self/to-self/to-self/a.log": inside, strings.Repeat("to-self/", 500) + "to-secret": "",
		strings.Repeat("to-parent-2/logs/", 100) + "a.log": "", "loop/a": "", "loop1/a": "", "sub/loop/x/x": "", "to-fd/x": "",
		"a.log/x": "", "relative/..": "",
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

// TestSymlinkSwaps atomically swaps links between a target inside and one outside while
// they are opened: one link 10,000 times, the others 1,000 times.
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
