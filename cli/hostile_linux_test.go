package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const insideText, outsideText = "INSIDE\n", "OUTSIDE\n"

// startHostile serves the folder logs/ of base, which must keep the folder secret/ of base
// unreadable. If root runs the tests, the server runs as nobody, so that file modes apply to it.
func startHostile(t *testing.T) (l *logFolder, base string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l = &logFolder{dir: base + "/logs", instance: &instance{t: t}}
	for _, name := range []string{"a.log", "sub/a.log", "sub/passwd", ".hidden", "no.log", "locked/a.log", "unreadable.log"} {
		l.write(name, insideText)
	}
	for _, name := range []string{"secret/a.log", "secret/passwd", "logs-secret/a.log"} {
		l.write("../"+name, outsideText)
	}
	l.write("../linked", "linked\n")
	for link, target := range map[string]string{
		"ok": "sub/a.log", "ok-abs": l.dir + "/a.log", "ok-chain": "ok-abs", "ok-dir": l.dir + "/sub",
		"rel": "../secret/a.log", "abs": base + "/secret/a.log", "dir": "../secret", "dir-abs": base + "/secret", "top": "..",
		"root": "/", "chain": "chain1", "chain1": l.dir + "/sub/chain2",
		"sub/chain2": "../abs", "around": "../logs/../secret/a.log", "prefix": "../logs-secret/a.log", "loop": "loop",
		"loop1": "loop2", "loop2": l.dir + "/loop1", "dirloop": "dirloop/x", "self": ".",
		"proc": "/proc/self", "environ": "/proc/self/environ", "exe": "/proc/self/exe", "fd": "/proc/self/fd",
		"mem": "/proc/self/mem", "zero": "/dev/zero", "tty": "/dev/tty", "stdin": "/dev/stdin",
		"to-fifo": "fifo", "to-nothing": "nothing", "to-device": "device", "to-locked": "locked/a.log",
	} {
		if err := os.Symlink(target, filepath.Join(l.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 60 {
		os.Symlink(fmt.Sprintf("%s/n%d", l.dir, i+1), fmt.Sprintf("%s/n%d", l.dir, i))
	}
	os.Symlink("a.log", l.dir+"/n60")
	if err := syscall.Mkfifo(l.dir+"/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(base+"/linked", l.dir+"/hard"); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", l.dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	syscall.Mknod(l.dir+"/device", syscall.S_IFCHR|0o666, 1<<8|5) // /dev/zero; works only for root
	for name, mode := range map[string]os.FileMode{"unreadable.log": 0, "locked": 0, "../..": 0o755} {
		if err := os.Chmod(filepath.Join(l.dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(l.dir+"/locked", 0o755) })
	cmd := wsrun("files", "--exclude", "no.log", l.dir)
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.Path = "/proc/self/exe" // the user nobody may not be able to reach the binary by its path
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	l.instance = begin(t, cmd)
	return l, base
}

// ask sends a request with the exact target and returns the whole response, for which it waits
// at most a second.
func (l *logFolder) ask(method, target string, headers ...string) []byte {
	l.t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	head := append([]string{method + " " + target + " HTTP/1.1", "Host: " + l.addr, "Connection: close"}, headers...)
	io.WriteString(c, strings.Join(head, "\r\n")+"\r\n\r\n")
	answer, err := io.ReadAll(bufio.NewReader(c))
	if errors.Is(err, syscall.ECONNRESET) && bytes.HasPrefix(answer, []byte("HTTP/1.1 431 ")) {
		err = nil // net/http doesn't read the rest of such a request
	}
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 ")) {
		l.t.Errorf("%s %.100q %q: %.100q, %v", method, target, headers, answer, err)
	}
	return answer
}

// TestHostilePaths requests many paths that try to lead out of the served folder. Each gets a
// response, and none has a byte from outside.
func TestHostilePaths(t *testing.T) {
	l, base := startHostile(t)
	var paths []string
	up := []string{
		"..", "%2e%2e", "%2e.", ".%2e", "..%00", "%252e%252e", "..;", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e",
		"%ef%bc%8e%ef%bc%8e", "..%2f..", "..%5c..", "..\\..", ".../..", "....//",
	}
	for _, u := range up {
		for _, sep := range []string{"/", "//", "/./", "%2f", "%252f", "%5c", "\\", ";/", "%00/", "%c0%af"} {
			paths = append(paths, l.dir+sep+u+sep+"secret/a.log", l.dir+"/ok-dir"+sep+u+sep+u+sep+"secret/a.log")
			for _, target := range []string{base + "/secret/a.log", "/etc/passwd", "/proc/self/environ"} {
				paths = append(paths, l.dir+sep+strings.Repeat(u+sep, 12)+strings.TrimPrefix(target, "/"))
			}
		}
	}
	for _, name := range []string{
		"rel", "abs", "dir", "dir/a.log", "dir-abs/passwd", "top/secret/a.log", "top/logs/top/secret/a.log", "root/etc/passwd",
		"chain", "around", "prefix", "loop", "loop1", "loop1/x", "dirloop/x",
		strings.Repeat("self/", 300) + "rel", strings.Repeat("top/logs/", 300) + "a.log", "n0", "proc/environ",
		"proc/root/etc/passwd", "proc/cwd/etc/passwd", "proc/fd/0", "proc/task/1/environ",
		"environ", "exe", "mem", "zero", "tty", "stdin", "fifo", "to-fifo", "socket", "to-nothing", "to-device", "device",
		"locked", "locked/a.log", "to-locked", "unreadable.log",
		"", "sub", "sub/", "a.log/", "a.log/.", "a.log/..", "a.log/x", "a.log%00", "a.log%00.txt", "a.log;x", "a.log%3Ftail=1",
		"a.log%20", "a.log.", "A.LOG", ".hidden", "no.log", "%2ehidden", "ok-dir/../no.log", "*", "%2a",
	} {
		paths = append(paths, l.dir+"/"+name)
	}
	for fd := range 20 {
		paths = append(paths, fmt.Sprintf("/proc/self/fd/%d", fd), fmt.Sprintf("%s/fd/%d", l.dir, fd), fmt.Sprintf("/dev/fd/%d", fd))
	}
	for _, name := range []string{"environ", "cmdline", "mem", "maps", "exe", "root/etc/passwd", "cwd/etc/passwd", "root" + base + "/secret/a.log"} {
		paths = append(paths, "/proc/self/"+name, fmt.Sprintf("/proc/%d/%s", l.Process.Pid, name), "/proc/thread-self/"+name)
	}
	for _, scheme := range []string{
		"http://" + l.addr, "http://evil.example", "https://" + l.addr, "file://", "http://" + l.addr + "@evil.example",
		"ftp://" + l.addr,
	} {
		paths = append(paths, scheme+"/etc/passwd", scheme+base+"/secret/a.log", scheme+l.dir+"/../secret/a.log")
	}
	paths = append(paths, "/etc/passwd", "//etc/passwd", "//evil.example/a", "/\\evil.example/a", "///evil.example/..",
		"/.//evil.example", base+"/secret/a.log", base+"/logs-secret/a.log", l.dir+"-secret/a.log",
		"/-/../etc/passwd", "/-/static/../../etc/passwd", "/-/static/x/..%2f..%2fetc%2fpasswd", "/"+strings.Repeat("a/", 3000),
		"/"+strings.Repeat("a", 9000), "/"+strings.Repeat("a", 20_000), "/"+strings.Repeat("../", 5000)+"etc/passwd",
		"/%", "/%zz", "/%2", "/\x01", "*", "etc/passwd", "", "?", "#", l.dir+"/a.log#x/../../secret/a.log")
	if len(paths) < 300 {
		t.Fatalf("only %d paths", len(paths))
	}
	redirect := regexp.MustCompile(`\r\nLocation: (.*)\r\n`)
	slowest, begin := time.Duration(0), time.Now()
	for _, path := range paths {
		at := time.Now()
		answer := l.ask("GET", path+"?format=raw")
		slowest = max(slowest, time.Since(at))
		for _, outside := range []string{"OUTSIDE", "root:", "PATH=", "INSIDE", "\x00\x00\x00\x00"} {
			if bytes.Contains(answer, []byte(outside)) {
				t.Errorf("%.100q: got out: %.200q", path, answer)
			}
		}
		if bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) {
			t.Errorf("%.100q: %.100q", path, answer)
		}
		if m := redirect.FindSubmatch(answer); m != nil && (m[1][0] != '/' || bytes.HasPrefix(m[1], []byte("//")) ||
			bytes.HasPrefix(m[1], []byte(`/\`))) {
			t.Errorf("%.100q: sent away to %.200q", path, m[1])
		}
	}
	t.Logf("%d paths in %v", len(paths), time.Since(begin))
	t.Attr("promise", "no path that a stranger asks for leads out of what is shown")
	t.Attr("figure", fmt.Sprintf("%d paths, 0 bytes from outside, the slowest answer after %v", len(paths), slowest.Round(time.Millisecond)))
	for name, want := range map[string]string{
		"a.log": insideText, "ok": insideText, "ok-abs": insideText, "ok-chain": insideText, "ok-dir/a.log": insideText,
		"n30": insideText, "self/a.log": insideText, "hard": "linked\n",
	} {
		if answer := l.ask("GET", l.dir+"/"+name+"?format=raw"); !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) ||
			!bytes.HasSuffix(answer, []byte("\r\n\r\n"+want)) {
			t.Errorf("%s: %.300q, want %q", name, answer, want)
		}
	}
}

// TestUnreadableLooksAbsent checks that in each form, a file that may not be read gets exactly
// the response of one that doesn't exist, whatever the reason.
func TestUnreadableLooksAbsent(t *testing.T) {
	l, _ := startHostile(t)
	ws := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	date := regexp.MustCompile(`\r\nDate: [^\r]*`)
	for _, form := range []struct {
		method, query string
		headers       []string
	}{
		{"GET", "", nil}, {"HEAD", "", nil}, {"GET", "?tail=1", nil}, {"GET", "?format=raw", nil},
		{"GET", "?format=raw", []string{"Range: bytes=0-3"}}, {"HEAD", "?format=raw", nil}, {"GET", "?n=all&grep=x", nil},
		{"GET", "", []string{"Accept: text/event-stream"}}, {"GET", "", []string{"Accept: text/html"}},
		{"POST", "", []string{"Content-Length: 0"}}, {"GET", "?n=x", nil},
		{"GET", "?tail=1", ws}, {"GET", "", ws}, {"GET", "?tail=1", append(ws[:4:4], "Sec-WebSocket-Protocol: wsrun.v1")},
	} {
		want := date.ReplaceAll(l.ask(form.method, l.dir+"/none.log"+form.query, form.headers...), nil)
		for _, name := range []string{
			"unreadable.log", "locked", "locked/a.log", "locked/none", "to-locked", "rel", "abs", "dir", "dir/a.log", "dir/none",
			"root/etc/passwd", "root/etc/none", "environ", "proc/environ", "zero", "device", "fifo", "to-fifo",
			"socket", "loop", "to-nothing", "sub", "a.log/x", ".hidden", "no.log", "n0",
		} {
			got := date.ReplaceAll(l.ask(form.method, l.dir+"/"+name+form.query, form.headers...), nil)
			if !bytes.Equal(got, want) {
				t.Errorf("%s %s%s %q: %q, want %q", form.method, name, form.query, form.headers, got, want)
			}
		}
	}
}
