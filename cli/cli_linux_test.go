package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPID1 checks that wsrun reaps orphans when it is PID 1, as it may be in a container.
func TestPID1(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := wsrun("sh", "-c", `(sh -c 'read x' <"$FIFO" &); echo parent $PPID; read x; exit 6`)
	cmd.Env = append(cmd.Env, "FIFO="+fifo)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	r := begin(t, cmd)
	awaitChildren := func(want int) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for {
			n := 0
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.Process.Pid))
			for _, name := range threads {
				list, _ := os.ReadFile(name)
				n += len(strings.Fields(string(list)))
			}
			if n == want {
				return
			} else if time.Now().After(deadline) {
				t.Fatalf("wsrun has %d children, want %d", n, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	awaitChildren(2) // the command, and an orphan
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close() // ends the orphan
	awaitChildren(1)
	io.WriteString(r.Stdin, "\n")
	if code := r.end(); code != 6 || r.out.String() != "parent 1\r\n" {
		t.Errorf("status %d, %q", code, r.out.String())
	}
}

// TestSocketActivation checks that wsrun uses a socket that systemd passes as descriptor 3
// (sd_listen_fds(3)).
func TestSocketActivation(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := wsrun("--addr", "127.0.0.1:1", "sh", "-c", "echo fds=$LISTEN_FDS; read x")
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.ExtraFiles = []*os.File{f}
	r := begin(t, cmd)
	if r.addr != l.Addr().String() {
		t.Errorf("serves %s, want the socket passed, %s", r.addr, l.Addr())
	}
	resp, err := http.Get("http://" + r.addr + "/?tail=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.WriteString(r.Stdin, "\n")
	if body, err := io.ReadAll(resp.Body); string(body) != "fds=\n" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	r.end()

	cmd = wsrun("true")
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.ExtraFiles = []*os.File{f, f}
	if _, stderr, code := outcome(cmd); code != 125 || !strings.Contains(stderr, "systemd passed 2 sockets") {
		t.Errorf("two sockets: status %d, %q", code, stderr)
	}
}

// TestSocketOfOthers checks that wsrun makes a token for a Unix socket from systemd to which
// other users can connect. Unless the unit says otherwise, its mode lets all of them.
func TestSocketOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, tt := range []struct {
		name   string
		mode   os.FileMode
		flags  []string
		random bool
	}{
		{path, 0o600, nil, false}, {path, 0o660, nil, false}, {path, 0o666, nil, true}, {path, 0o662, nil, true},
		{path, 0o666, []string{"--public"}, false},
		{"@wsrun-" + path, 0, nil, true},
	} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tt.name, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if tt.name == path {
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		cmd := wsrun(append(tt.flags, "true")...)
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path, cmd.ExtraFiles = "/bin/sh", []*os.File{f}
		_, stderr, code := outcome(cmd)
		f.Close()
		l.Close()
		if got := regexp.MustCompile(`unix:` + tt.name + `#token=\w{26}\n`).MatchString(stderr); got != tt.random || code != 0 {
			t.Errorf("%+v: status %d, %q", tt, code, stderr)
		}
	}
}

// TestOpen checks that --open starts the desktop's opener with the URL, and that the opener's
// messages stay out of the output.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho chatter; echo chatter >&2\necho $1 >" + fifo + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := wsrun("--open", "cat")
	cmd.Env = append(cmd.Env, "PATH="+dir+":"+os.Getenv("PATH"))
	r := begin(t, cmd)
	url, err := os.ReadFile(fifo)
	if want := "http://" + r.addr + "/\n"; string(url) != want {
		t.Errorf("opened %q, %v; want %q", url, err, want)
	}
	r.Stdin.Close()
	if code := r.end(); code != 0 || r.out.Len() > 0 {
		t.Errorf("status %d, %q", code, r.out.String())
	}
}
