//go:build unix

package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wsrun/internal/tty"
)

// TestMain makes the test binary run as wsrun if WSRUN_TEST_MAIN is set, and as its terminal
// watchdog if it has that name. With WSRUN_TEST_MAIN=panic, wsrun panics when descriptor 3 gets
// a byte.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == tty.WatchdogName:
		os.Exit(Main("test"))
	case os.Getenv("WSRUN_TEST_MAIN") == "panic":
		go func() {
			bufio.NewReader(os.NewFile(3, "trigger")).ReadByte()
			panic("planted")
		}()
		fallthrough
	case os.Getenv("WSRUN_TEST_MAIN") != "":
		os.Exit(Main("test"))
	}
	os.Exit(m.Run())
}

func TestStatuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	os.WriteFile(text, []byte("just text"), 0o644)
	script := filepath.Join(dir, "script")
	os.WriteFile(script, []byte("echo no first line"), 0o755)
	orphan := filepath.Join(dir, "orphan")
	os.WriteFile(orphan, []byte("#!/no/such/interpreter\n"), 0o755)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		args []string
		code int
		want string // on standard error
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "exit 7"}, 7, ""},
		{[]string{"sh", "-c", "exit 255"}, 255, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143, ""},
		{[]string{"sh", "-c", "kill -KILL $$"}, 137, ""},
		{[]string{"--", "sh", "-c", "exit 3"}, 3, ""},
		{[]string{"sh", "-c", "exit $1", "--", "9"}, 9, ""},
		{[]string{"no-such-command"}, 127, `command not found: "no-such-command"`},
		{[]string{"/no/such"}, 127, `command not found: "/no/such"`},
		{[]string{""}, 127, `command not found: ""`},
		{[]string{text}, 126, "permission denied"},
		{[]string{script}, 126, "not a program"},
		{[]string{orphan}, 126, "its interpreter is missing"},
		{[]string{dir}, 126, "it is a directory"},
		{[]string{"--bogus", "true"}, 125, "unknown flag: --bogus"},
		{[]string{"--size", "0x0", "true"}, 125, "want COLSxROWS"},
		{[]string{"--size", "80", "true"}, 125, "want COLSxROWS"},
		{[]string{"--lines", "0", "true"}, 125, "want a number of lines"},
		{[]string{"--buffer", "8XB", "true"}, 125, "want a number of bytes"},
		{[]string{"--linger", "-1s", "true"}, 125, "want a duration"},
		{[]string{"--addr", "9000", "true"}, 125, `bad address "9000"`},
		{[]string{"--addr", "127.0.0.1:x", "true"}, 125, `listen on "127.0.0.1:x"`},
		{[]string{"--addr", taken.Addr().String(), "true"}, 125, "address already in use"},
		{[]string{"--addr", "unix:/no/such/dir/s", "true"}, 125, `listen on "unix:/no/such/dir/s": no such file or directory`},
		{[]string{"--addr", "unix:", "true"}, 125, `bad address "unix:"`},
		{[]string{"--addr", "unix:@abstract", "true"}, 125, `bad address "unix:@abstract"`},
		{[]string{"--addr", "unix:/tmp/" + strings.Repeat("x", 108), "true"}, 125, "too long"},
		{[]string{"--\x1b[31m", "true"}, 125, `unknown flag: --\x1b[31m`},
		{[]string{"--addr", "unix:" + text, "true"}, 125, "it exists and is no socket"},
		{[]string{"--version"}, 0, ""},
		{[]string{"completion", "bash"}, 0, ""},
	} {
		_, stderr, code := outcome(wsrun(tt.args...))
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: status %d, %q; want %d, %q", tt.args, code, stderr, tt.code, tt.want)
		}
		if tt.code >= 125 && tt.code <= 127 {
			for line := range strings.Lines(stderr) {
				if !strings.HasPrefix(line, "wsrun: ") {
					t.Errorf("%q: says %q", tt.args, line)
				}
			}
		}
	}
	if got, _ := os.ReadFile(text); string(got) != "just text" {
		t.Errorf("the file at the socket's path is now %q", got)
	}
}

func TestStandardInputAndOutput(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		args           []string
	}{
		{"a command reads wsrun's", "b\na\n", "a\r\nb\r\n", []string{"sort"}},
		{"a pipe is copied unchanged", "a\n\x00\xff\r\nb", "a\n\x00\xff\r\nb", nil},
		{"a pipe, by name", "a\n", "a\n", []string{"-"}},
		{"quietly", "a\n", "", []string{"-q"}},
		{"nothing", "", "", nil},
		{"size", "", "24 80\r\n", []string{"--size", "80x24", "sh", "-c", "stty size </dev/tty"}},
		{"default size", "", "30 120\r\n", []string{"sh", "-c", "stty size </dev/tty"}},
	} {
		cmd := wsrun(tt.args...)
		cmd.Stdin = strings.NewReader(tt.in)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if out, stderr, code := outcome(cmd); out != tt.want || code != 0 {
			t.Errorf("%s: %q, %d, %q; want %q", tt.name, out, code, stderr, tt.want)
		}
	}
	cmd := wsrun("sh", "-c", "seq 200000; exit 5")
	r, w, _ := os.Pipe()
	cmd.Stdout = w
	cmd.Start()
	w.Close()
	bufio.NewReader(r).ReadString('\n')
	r.Close() // like head -1
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("with standard output closed: %v", cmd.ProcessState)
	}
}

// TestLastByteArrives checks that fast and slow viewers, of both kinds, get the last byte of a
// command that ends right after 20,000 lines.
func TestLastByteArrives(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 20
	}
	var want bytes.Buffer
	for i := 1; i <= 20000; i++ {
		fmt.Fprintf(&want, "%d\r\n", i)
	}
	defer func() {
		t.Attr("promise", "viewers get the last byte, then the exit")
		t.Attr("figure", fmt.Sprintf("%d runs of %d bytes, 4 viewers each", runs, want.Len()))
	}()
	for run := range runs {
		r := start(t, "-q", "-n", "30000", "sh", "-c", "read x; exec seq 1 20000")
		var wg sync.WaitGroup
		for i := range 4 {
			c, slow := r.dial([]string{"wsrun.v1"}[:i%2]...), i >= 2
			wg.Go(func() {
				data, exit, err := watch(c, func() {
					if slow {
						time.Sleep(time.Millisecond)
					}
				})
				if err != nil || !bytes.Equal(data, want.Bytes()) {
					t.Errorf("run %d, viewer %d: %d bytes of %d, %v", run, i, len(data), want.Len(), err)
				}
				if i%2 == 1 && !strings.Contains(exit, `"code":0`) {
					t.Errorf("run %d, viewer %d: exit event %q", run, i, exit)
				}
			})
		}
		io.WriteString(r.Stdin, "\n")
		if code := r.end(); code != 0 {
			t.Fatalf("status %d", code)
		}
		if wg.Wait(); t.Failed() {
			return
		}
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		name := strings.TrimPrefix(unix.SignalName(s), "SIG")
		r := start(t, "sh", "-c", "trap 'echo got; exit 42' "+name+"; echo ready; while :; do read x; done")
		c := r.dial()
		if m, err := c.Next(t.Context()); err != nil || !strings.Contains(string(m.Payload), "ready") {
			t.Fatalf("%q, %v", m.Payload, err)
		}
		c.Close()
		r.Process.Signal(s)
		r.Stdin.Close()
		if code := r.end(); code != 42 || !strings.HasSuffix(r.out.String(), "got\r\n") {
			t.Errorf("%v: status %d, %q", s, code, r.out.String())
		}
	}
}

// TestStalledStandardOutput checks that a blocked standard output, which delays the command as
// it would without wsrun, doesn't keep wsrun from ending.
func TestStalledStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := wsrun("sh", "-c", "seq 100000; echo end")
	cmd.Stdout = w
	run := begin(t, cmd)
	w.Close()
	viewer := run.dial("wsrun.v1")
	cmd.Process.Signal(syscall.SIGTERM)
	_, exit, err := watch(viewer, func() {})
	if err != nil || !strings.Contains(exit, "SIGTERM") {
		t.Errorf("the viewer got %q, %v", exit, err)
	}
	if code := run.end(); code != 143 {
		t.Errorf("status %d, want 143", code)
	}
}

func TestLinger(t *testing.T) {
	r := start(t, "--linger", "forever", "echo", "hello")
	r.Errors.ReadString('\n') // "still serving"
	resp, err := http.Get("http://" + r.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	data, exit, err := watch(r.dial("wsrun.v1"), func() {})
	if string(body) != "hello\n" || string(data) != "hello\r\n" || !strings.Contains(exit, `"code":0`) || err != nil {
		t.Errorf("%q, %q, %q, %v", body, data, exit, err)
	}
	r.Process.Signal(syscall.SIGTERM)
	if code := r.end(); code != 0 {
		t.Errorf("status %d, want the command's", code)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := outcome(wsrun("-a", "unix:"+path, "true")); code != 125 || !strings.Contains(stderr, "somebody answers") {
		t.Errorf("a live socket: status %d, %q", code, stderr)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	cmd := wsrun("-a", "unix:"+path, "sh", "-c", "stat -c %a "+path)
	if out, stderr, code := outcome(cmd); out != "600\r\n" || code != 0 {
		t.Errorf("a stale socket: %q, %d, %q", out, code, stderr)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	cmd := wsrun("sh", "-c", "stty size </dev/tty; echo token=$WSRUN_TOKEN")
	cmd.Env = append(cmd.Env, "WSRUN_SIZE=81x25", "WSRUN_TOKEN=secret")
	if out, stderr, _ := outcome(cmd); out != "25 81\r\ntoken=\r\n" || strings.Contains(stderr, "secret") {
		t.Errorf("%q, %q", out, stderr)
	}
	cmd = wsrun("true")
	cmd.Env = append(cmd.Env, "WSRUN_ALLOW_HOST=a.example,b.example:80", "WSRUN_QUIET=1")
	if _, stderr, code := outcome(cmd); code != 0 {
		t.Errorf("status %d, %q", code, stderr)
	}
	for v, want := range map[string]string{"LINES=many": "want a number", "QUIET=yes": "want true or false"} {
		cmd := wsrun("true")
		cmd.Env = append(cmd.Env, "WSRUN_"+v)
		if _, stderr, code := outcome(cmd); code != 125 || !strings.Contains(stderr, "bad WSRUN_") || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", v, code, stderr)
		}
	}
}
