//go:build unix

package ptyproc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// The test binary is its own child: PTYPROC_CHILD names what it does then.
func TestMain(m *testing.M) {
	if name := os.Getenv("PTYPROC_CHILD"); name != "" {
		children[name](os.Args[1:])
		return
	}
	goleak.VerifyTestMain(m)
}

var children = map[string]func(args []string){
	"exit": func(args []string) {
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	},
	"lines": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		w := bufio.NewWriter(os.Stdout)
		for i := range n {
			fmt.Fprintln(w, "line", i)
		}
		w.Flush()
	},
	"session": func([]string) {
		sid, _ := unix.Getsid(0)
		group, _ := unix.IoctlGetInt(1, unix.TIOCGPGRP)
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		fmt.Println(sid == os.Getpid(), group == os.Getpid(), err, term.IsTerminal(0), term.IsTerminal(2))
		fmt.Fprintln(tty, "by /dev/tty")
	},
	"cat": func([]string) { io.Copy(os.Stdout, os.Stdin) },
	"size": func([]string) {
		winch := make(chan os.Signal, 1)
		signal.Notify(winch, syscall.SIGWINCH)
		for range 2 {
			w, h, _ := term.GetSize(1)
			fmt.Printf("%dx%d\n", w, h)
			<-winch
		}
	},
	// leave ends at once but leaves a child of another session on the terminal.
	"leave": func([]string) {
		self, _ := os.Executable()
		child := exec.Command(self)
		child.Env = append(os.Environ(), "PTYPROC_CHILD=stay")
		child.Stdout = os.Stdout
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		child.Start()
		fmt.Println("left", child.Process.Pid)
	},
	"stay": func([]string) {
		time.Sleep(100 * time.Millisecond)
		fmt.Println("from behind")
		time.Sleep(time.Minute)
	},
	"burst": func([]string) {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Println(strings.Repeat("x", burst))
	},
	"stubborn": func([]string) {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	},
	// parent leaves signals to its child, in the same group.
	"parent": func([]string) {
		signal.Ignore(syscall.SIGUSR1)
		self, _ := os.Executable()
		child := exec.Command(self)
		child.Env = append(os.Environ(), "PTYPROC_CHILD=listen")
		child.Stdout = os.Stdout
		child.Run()
	},
	"listen": func([]string) {
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGUSR1)
		fmt.Println("ready")
		select {
		case <-told:
			fmt.Println("told")
		case <-time.After(10 * time.Second):
		}
	},
	"stop": func([]string) {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		fmt.Println("goes on")
	},
	"raw": func([]string) {
		fmt.Println("cooked")
		bufio.NewReader(os.Stdin).ReadString('\n')
		term.MakeRaw(0)
		fmt.Print("raw\r\n")
		time.Sleep(time.Hour)
	},
}

// burst is less than a terminal holds, in bytes: on Linux 8 to 12 KiB, as its
// workers keep up.
const burst = 4000

// A recorder keeps output and tells when it holds something.
type recorder struct {
	mu   sync.Mutex
	cond *sync.Cond
	buf  bytes.Buffer
}

func newRecorder() *recorder {
	r := new(recorder)
	r.cond = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.cond.Broadcast()
	return r.buf.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// await blocks until the output holds s.
func (r *recorder) await(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !strings.Contains(r.buf.String(), s) {
		r.cond.Wait()
	}
}

func start(t *testing.T, o Options, child string, args ...string) *Proc {
	t.Helper()
	o.Path = os.Args[0]
	o.Args = append([]string{child}, args...)
	o.Env = append(os.Environ(), "PTYPROC_CHILD="+child, "GORACE=atexit_sleep_ms=0")
	if o.Cols == 0 {
		o.Cols, o.Rows = 100, 20
	}
	p, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

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
	// A Go program can't die of most signals, a shell can.
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
	// On a quick machine the reader has everything before the command ends. Here the
	// reader waits for the end, so that the burst is still in the terminal then.
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

// The terminal is kept open from behind. Run goes on reading, but for two seconds
// only; the resize before it shows that it leaves the PTY interruptible.
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

// A signal is the whole group's, not only its leader's.
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

// Who takes the output may be slower than the time for which it is read after the
// command's end.
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
		if !typed { // from here on nobody reads, so all that follows waits in the terminal
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

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

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
