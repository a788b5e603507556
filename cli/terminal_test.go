//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// onTerminal starts wsrun on a new PTY, as a shell would, and returns both ends of the PTY. mode
// is the value of WSRUN_TEST_MAIN, and extra, if not nil, is descriptor 3.
func onTerminal(t *testing.T, mode string, extra *os.File, args ...string) (*exec.Cmd, *os.File, *os.File) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	pty.Setsize(master, &pty.Winsize{Cols: 91, Rows: 23})
	cmd := wsrun(append([]string{"--linger", "0"}, args...)...)
	cmd.Env = append(cmd.Env, "WSRUN_TEST_MAIN="+mode)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if extra != nil {
		cmd.ExtraFiles = []*os.File{extra}
	}
	// The session's leader is a shell, so that the terminal outlives wsrun.
	sh, _ := exec.LookPath("sh")
	cmd.Args = append([]string{"sh", "-c", `"$@"; code=$?; read x; exit $code`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = sh
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, master, slave
}

// await reads from the terminal until want appears, and returns what was read.
func await(t *testing.T, master *os.File, want string) string {
	t.Helper()
	var got []byte
	p := make([]byte, 4096)
	for !bytes.Contains(got, []byte(want)) {
		n, err := master.Read(p)
		if err != nil {
			t.Fatalf("%v, before %q: %q", err, want, got)
		}
		got = append(got, p[:n]...)
	}
	return string(got)
}

// awaitCooked waits until the terminal is restored.
func awaitCooked(t *testing.T, slave *os.File) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); isRaw(t, slave); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal is still raw")
		}
	}
}

// isRaw reports whether a terminal is in raw mode.
func isRaw(t *testing.T, f *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ICANON == 0
}

func TestLocalTerminal(t *testing.T) {
	cmd, master, slave := onTerminal(t, "1", nil, "sh", "-c",
		`stty size; read x; echo typed $x; until [ "$(stty size)" = "20 70" ]; do :; done; echo resized; read x; exit 4`)
	await(t, master, "23 91")
	if !isRaw(t, slave) {
		t.Error("the terminal is not raw")
	}
	io.WriteString(master, "keys\r")
	await(t, master, "typed keys")
	pty.Setsize(master, &pty.Winsize{Cols: 70, Rows: 20}) // sends SIGWINCH
	await(t, master, "resized")
	io.WriteString(master, "\r")
	awaitCooked(t, slave)
	io.WriteString(master, "\n")
	go io.Copy(io.Discard, master)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("status %v, want 4", cmd.ProcessState)
	}
}

// TestTerminalIsRestored checks that the terminal is restored, whatever ends wsrun.
func TestTerminalIsRestored(t *testing.T) {
	for name, end := range map[string]func(pid int, trigger *os.File){
		"TERM":  func(pid int, _ *os.File) { syscall.Kill(pid, syscall.SIGTERM) },
		"KILL":  func(pid int, _ *os.File) { syscall.Kill(pid, syscall.SIGKILL) },
		"ABRT":  func(pid int, _ *os.File) { syscall.Kill(pid, syscall.SIGABRT) },
		"panic": func(_ int, trigger *os.File) { trigger.Write([]byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			cmd, master, slave := onTerminal(t, "panic", r, "sh", "-c", "echo wsrun is $PPID.; read x")
			r.Close()
			out := await(t, master, ".\r\n")
			var pid int
			fmt.Sscanf(out[strings.Index(out, "wsrun is"):], "wsrun is %d", &pid)
			if !isRaw(t, slave) {
				t.Error("the terminal is not raw")
			}
			end(pid, w)
			awaitCooked(t, slave)
			io.WriteString(master, "\n")
			go io.Copy(io.Discard, master)
			cmd.Wait()
		})
	}
}

// TestJobControl checks that Ctrl-Z, or a signal from another process, stops wsrun and its
// command, and that fg and bg continue both.
func TestJobControl(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd := exec.Command(bash, "--norc", "--noprofile", "-i")
	cmd.Env = append(wsrun().Env, "PS1=$ ", "WSRUN="+wsrun().Path, "WSRUN_LINGER=0", "HISTFILE=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	for _, step := range []struct{ key, want string }{
		{`$WSRUN sh -c 'echo ready $((1+1)); while read x; do [ $x = stop ] && kill -TSTP $PPID; echo got $x; done; exit 9'` + "\r", "ready 2"},
		{"one\r", "got one"},
		{"\x1a", "Stopped"},
		{"stty -a | grep -o .icanon\r", " icanon"},
		{"fg\r", "fg"},
		{"two\r", "got two"},
		{"stop\r", "Stopped"},
		{"fg\r", "fg"},
		{"three\r", "got three"},
		{"\x1a", "Stopped"},
		{"bg\r", "&"},
		{"fg\r", "read x"},
		{"four\r", "got four"},
		{"\x04", "$ "},
		{"echo status $?\r", "status 9"},
		{"exit\r", "exit"},
	} {
		io.WriteString(master, step.key)
		await(t, master, step.want)
	}
	go io.Copy(io.Discard, master)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTokenFromTerminal checks that --token - asks on the terminal, which doesn't show the
// typed token and then belongs to the command.
func TestTokenFromTerminal(t *testing.T) {
	cmd, master, slave := onTerminal(t, "1", nil, "--token", "-", "sh", "-c", "echo ready; read x; echo got $x")
	await(t, master, "wsrun: token: ")
	for echo := true; echo; time.Sleep(time.Millisecond) {
		s, err := unix.IoctlGetTermios(int(slave.Fd()), getTermios)
		if err != nil {
			t.Fatal(err)
		}
		echo = s.Lflag&unix.ECHO != 0
	}
	io.WriteString(master, "a+b c\n")
	if said := await(t, master, "ready"); !strings.Contains(said, "/#token=a%2Bb+c") || strings.Contains(said, "a+b") {
		t.Errorf("wsrun said %q; want the URL, and never what was typed", said)
	}
	io.WriteString(master, "keys\r")
	await(t, master, "got keys")
	awaitCooked(t, slave)
	io.WriteString(master, "\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
