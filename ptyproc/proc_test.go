//go:build unix

package ptyproc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSession(t *testing.T) {
	p := start(t, Options{}, "session")
	out := newRecorder()
	status := p.Run(out)
	if want := "true true <nil> true true\r\nby /dev/tty\r\n"; out.String() != want || status != (Status{}) {
		t.Errorf("got %q, %v; want %q", out, status, want)
	}
}

func TestStatus(t *testing.T) {
	for code := range 256 {
		if got := start(t, Options{}, "exit", fmt.Sprint(code)).Run(io.Discard); got != (Status{Code: code}) {
			t.Errorf("exit %d: %+v", code, got)
		}
	}
	// A Go program can't die of most signals, but a shell can.
	for _, s := range []syscall.Signal{1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24} {
		p, err := Start(Options{Path: "/bin/sh", Args: []string{"sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$", s)}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.Run(io.Discard), (Status{128 + int(s), unix.SignalName(s)}); got != want {
			t.Errorf("signal %d: %+v, want %+v", s, got, want)
		}
	}
}

func TestTheLastByteIsRead(t *testing.T) {
	var want bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&want, "line %d\r\n", i)
	}
	const runs = 50
	defer func() {
		t.Attr("promise", "a command's last byte is read")
		t.Attr("figure", fmt.Sprintf("%d runs of %d bytes, and as many of %d that nobody reads before the command's end", runs, want.Len(), burst))
	}()
	for range runs {
		out := newRecorder()
		start(t, Options{}, "lines", "3000").Run(out)
		if out.String() != want.String() {
			t.Fatalf("got %d bytes, want %d", len(out.String()), want.Len())
		}
	}
	// On a fast machine, the reader has everything before the command ends. Here the reader
	// waits for the end, so that the burst is still in the terminal then.
	for range runs {
		p, out := start(t, Options{}, "burst"), newRecorder()
		typed := false
		p.Run(writerFunc(func(b []byte) (int, error) {
			if !typed {
				typed = true
				p.Write([]byte("\n"))
				<-p.Done()
			}
			return out.Write(b)
		}))
		if got := strings.Count(out.String(), "x"); got != burst {
			t.Fatalf("got %d bytes of %d that waited in the terminal", got, burst)
		}
	}
}

func TestStdin(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, Options{Stdin: r}, "cat")
	r.Close()
	io.WriteString(w, "through a pipe\n")
	w.Close()
	out := newRecorder()
	if p.Run(out); out.String() != "through a pipe\r\n" {
		t.Errorf("by a pipe: %q", out)
	}

	p = start(t, Options{}, "cat")
	p.Write([]byte("typed\n\x04"))
	out = newRecorder()
	if p.Run(out); out.String() != "typed\r\ntyped\r\n" {
		t.Errorf("by the PTY: %q", out)
	}
}

func TestResize(t *testing.T) {
	p := start(t, Options{Cols: 77, Rows: 11}, "size")
	out := newRecorder()
	done := make(chan Status)
	go func() { done <- p.Run(out) }()
	out.await("77x11\r\n")
	p.Resize(200, 50)
	out.await("200x50\r\n")
	p.Resize(10, 5)
	<-done
}

// Another process keeps the terminal open after the command's end. Run continues reading,
// but only for two seconds; the resize before that shows that the PTY stays interruptible.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	p := start(t, Options{}, "leave")
	p.Resize(90, 30)
	out := newRecorder()
	begin := time.Now()
	p.Run(out)
	if took := time.Since(begin); took < drainTime || took > drainTime+2*time.Second {
		t.Errorf("Run took %v, want about %v", took, drainTime)
	}
	var pid int
	if fmt.Sscanf(out.String(), "left %d", &pid); pid == 0 || !strings.Contains(out.String(), "from behind\r\n") {
		t.Errorf("got %q", out)
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

func TestKill(t *testing.T) {
	for name, tt := range map[string]struct {
		signals []syscall.Signal
		least   time.Duration
	}{
		"10 s after TERM":    {[]syscall.Signal{syscall.SIGTERM}, killDelay},
		"10 s after two":     {[]syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, killDelay},
		"at the second INT":  {[]syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 0},
		"at INT after TERM":  {[]syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, 0},
		"at KILL, of course": {[]syscall.Signal{syscall.SIGKILL}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && tt.least > 0 {
				t.Skip("waits for killDelay")
			}
			t.Parallel()
			p := start(t, Options{}, "stubborn")
			out := newRecorder()
			done := make(chan Status)
			go func() { done <- p.Run(out) }()
			out.await("ready")
			begin := time.Now()
			for _, s := range tt.signals {
				p.Signal(s)
			}
			status := <-done
			if took := time.Since(begin); took < tt.least || took > tt.least+5*time.Second {
				t.Errorf("took %v, want %v", took, tt.least)
			}
			if status != (Status{137, "SIGKILL"}) {
				t.Errorf("status = %+v", status)
			}
		})
	}
}

// A signal goes to the whole group, not only to its leader.
func TestSignalsReachTheGroup(t *testing.T) {
	p := start(t, Options{}, "parent")
	out := newRecorder()
	done := make(chan Status)
	go func() { done <- p.Run(out) }()
	out.await("ready\r\n")
	p.Signal(syscall.SIGUSR1)
	if <-done; out.String() != "ready\r\ntold\r\n" {
		t.Errorf("got %q", out)
	}
}

// The writer may be slower than the time for which output is read after the command's end.
func TestSlowWriter(t *testing.T) {
	p := start(t, Options{}, "burst")
	out := newRecorder()
	release := make(chan struct{})
	go func() {
		<-p.Done()
		time.AfterFunc(drainTime+100*time.Millisecond, func() { close(release) })
	}()
	typed := false
	p.Run(writerFunc(func(b []byte) (int, error) {
		if !typed { // from here on nothing is read, so the rest waits in the terminal
			typed = true
			p.Write([]byte("\n"))
		}
		<-release
		return out.Write(b)
	}))
	if got := strings.Count(out.String(), "x"); got != burst {
		t.Errorf("%d bytes, want %d", got, burst)
	}
}

func TestStopped(t *testing.T) {
	stopped := make(chan bool, 1)
	p := start(t, Options{Stopped: func() { stopped <- true }}, "stop")
	out := newRecorder()
	done := make(chan Status)
	go func() { done <- p.Run(out) }()
	<-stopped
	if out.String() != "" {
		t.Errorf("stopped, but got %q", out)
	}
	p.Signal(syscall.SIGCONT)
	if <-done; out.String() != "goes on\r\n" {
		t.Errorf("got %q", out)
	}
}

func TestSuspendKey(t *testing.T) {
	p := start(t, Options{}, "raw")
	out := newRecorder()
	done := make(chan Status)
	go func() { done <- p.Run(out) }()
	out.await("cooked")
	if key, ok := p.SuspendKey(); key != 'Z'-'@' || !ok {
		t.Errorf("cooked: %q, %v; want ^Z", key, ok)
	}
	p.Write([]byte("\n"))
	out.await("raw")
	if _, ok := p.SuspendKey(); ok {
		t.Error("a command that reads single keys has no suspend key")
	}
	p.Signal(syscall.SIGKILL)
	<-done
}

func TestStartFails(t *testing.T) {
	file := t.TempDir() + "/text"
	os.WriteFile(file, []byte("just text"), 0o755)
	_, err := Start(Options{Path: file, Args: []string{"text"}, Cols: 80, Rows: 24})
	if !errors.Is(err, syscall.ENOEXEC) {
		t.Errorf("Start = %v, want ENOEXEC", err)
	}
}
