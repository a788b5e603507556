//go:build unix

package filetail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestOpenInsideRoot(t *testing.T) {
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

// TestOpenDoesNotWakeAFIFO has a writer wait for a reader, which Open must not become.
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
	// Nothing shows that the writer waits, or that it still does.
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

func TestGivenNamesAreResolvedAgain(t *testing.T) {
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
	expect("a directory moved", "more/d.log", inside) // it is held open
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

// TestRelativePathsBecomeAbsolute gives NewRoot "." and names below it.
func TestRelativePathsBecomeAbsolute(t *testing.T) {
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
