//go:build unix

package tty

import (
	"bufio"
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
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"wsrun/ptyproc"
)

// The test binary is its own child, as TTY_CHILD says, and its own watchdog.
func TestMain(m *testing.M) {
	if os.Args[0] == WatchdogName {
		if RunWatchdog() != nil {
			os.Exit(1)
		}
		return
	}
	if name := os.Getenv("TTY_CHILD"); name != "" {
		children[name]()
		return
	}
	goleak.VerifyTestMain(m)
}

// children are the programs that the test binary can be. They read commands, one byte
// each, from descriptor 3.
var children = map[string]func(){
	"attach": func() {
		commands := bufio.NewReader(os.NewFile(3, "commands"))
		t := Open()
		defer t.Detach()
		t.Attach()
		fmt.Printf("attached %v, pid %d.\n", t.Attached(), os.Getpid())
		for {
			switch c, _ := commands.ReadByte(); c {
			case 'd':
				return
			case 'p':
				go func() { panic("planted") }()
			case 's':
				t.Suspend()
				fmt.Printf("suspended, attached %v.\n", t.Attached())
			}
		}
	},
	"keys": func() {
		t := Open()
		t.Attach()
		defer t.Detach()
		p := startSelf("echo")
		go t.ForwardKeys(p)
		p.Run(os.Stdout)
	},
	"echo": func() {
		fmt.Println("ready")
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			fmt.Printf("got %q.\n", in.Text())
		}
	},
	"size": func() { fmt.Println(Size()) },
	"none": func() {
		t := Open()
		t.Attach()
		t.ForwardKeys(nil)
		t.Detach()
		fmt.Println(t == nil, t.Attached(), IsTerminal(os.Stdout), NeedsReturn(os.Stdout))
	},
	// A leader stands in for the shell that owns the terminal, and outlives its job.
	"leader":     func() { lead(false) },
	"background": func() { lead(true) },
}

// lead runs the child TTY_JOB, with descriptor 4 as its standard output. If background
// is true, the job gets to the foreground only at the first command.
func lead(background bool) {
	self, _ := os.Executable()
	commands := os.NewFile(3, "commands")
	job := exec.Command(self)
	job.Env = append(os.Environ(), "TTY_CHILD="+os.Getenv("TTY_JOB"))
	job.Stdin, job.Stdout, job.Stderr = os.Stdin, os.NewFile(4, "output"), os.Stderr
	job.ExtraFiles = []*os.File{commands}
	job.SysProcAttr = &syscall.SysProcAttr{Setpgid: background}
	if err := job.Start(); err != nil {
		fmt.Println(err)
	}
	if background {
		io.ReadFull(commands, make([]byte, 1))
		unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, job.Process.Pid)
	}
	job.Wait()
	fmt.Println("ended.")
	select {} // the end of the leader would hang the terminal up
}

func startSelf(child string) *ptyproc.Proc {
	self, _ := os.Executable()
	p, err := ptyproc.Start(ptyproc.Options{
		Path: self, Args: []string{self}, Env: append(os.Environ(), "TTY_CHILD="+child), Cols: 80, Rows: 24,
	})
	if err != nil {
		panic(err)
	}
	return p
}

// A session is a job on a terminal of its own.
type session struct {
	t             *testing.T
	master, slave *os.File
	commands      *os.File
	before        unix.Termios // the terminal's state before the job
}

// open starts a job under a leader. A nil output means that the job's standard output
// is the terminal.
func open(t *testing.T, leader, job string, output *os.File) *session {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	pty.Setsize(master, &pty.Winsize{Cols: 91, Rows: 23})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if output == nil {
		output = slave
	}
	s := &session{t: t, master: master, slave: slave, commands: w}
	s.before = s.state()
	self, _ := os.Executable()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TTY_CHILD="+leader, "TTY_JOB="+job, "GORACE=atexit_sleep_ms=0")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.ExtraFiles = []*os.File{r, output}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() {
		w.Close()
		cmd.Process.Kill()
		cmd.Wait()
		slave.Close()
		master.Close()
	})
	return s
}

// await reads from the terminal until want appears, and returns what was read.
func (s *session) await(want string) string {
	s.t.Helper()
	var got []byte
	p := make([]byte, 4096)
	for !bytes.Contains(got, []byte(want)) {
		n, err := s.master.Read(p)
		if err != nil {
			s.t.Fatalf("%v, before %q: %q", err, want, got)
		}
		got = append(got, p[:n]...)
	}
	return string(got)
}

func (s *session) state() unix.Termios {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.slave.Fd()), getTermios)
	if err != nil {
		s.t.Fatal(err)
	}
	return *state
}

func (s *session) isRaw() bool { return s.state().Lflag&unix.ICANON == 0 }

// awaitState waits until want reports true.
func (s *session) awaitState(want func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !want(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the terminal is still %+v", s.state())
		}
	}
}

// The terminal is restored however the process ends.
func TestTerminalIsRestored(t *testing.T) {
	command := func(c string) func(int, *os.File) {
		return func(_ int, commands *os.File) { io.WriteString(commands, c) }
	}
	kill := func(s syscall.Signal) func(int, *os.File) {
		return func(pid int, _ *os.File) { syscall.Kill(pid, s) }
	}
	for name, end := range map[string]func(pid int, commands *os.File){
		"detach": command("d"), "panic": command("p"), "ABRT": kill(syscall.SIGABRT), "KILL": kill(syscall.SIGKILL),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, "leader", "attach", nil)
			out := s.await(".\n")
			var pid int
			if fmt.Sscanf(out, "attached true, pid %d", &pid); pid == 0 || !s.isRaw() {
				t.Fatalf("raw is %v, %q", s.isRaw(), out)
			}
			end(pid, s.commands)
			s.awaitState(func() bool { return s.state() == s.before })
			s.await("ended.")
		})
	}
}

func TestKeysReachTheCommand(t *testing.T) {
	s := open(t, "leader", "keys", nil)
	s.await("ready")
	io.WriteString(s.master, "some keys\r")
	s.await(`got "some keys".`)
	io.WriteString(s.master, "\x04") // end of file, on the command's own terminal
	s.await("ended.")
}

// A job in the background leaves the terminal alone, and takes it over when it gets to
// the foreground.
func TestBackground(t *testing.T) {
	s := open(t, "background", "keys", nil)
	s.await("ready")
	if s.isRaw() {
		t.Error("the terminal is raw while the job is in the background")
	}
	io.WriteString(s.commands, "f")
	s.awaitState(s.isRaw)
	io.WriteString(s.master, "keys\r\x04")
	s.await(`got "keys".`)
	s.await("ended.")
}

// Without a shell that could continue it, the process doesn't stop.
func TestSuspendWithoutJobControl(t *testing.T) {
	s := open(t, "leader", "attach", nil)
	s.await("attached true")
	io.WriteString(s.commands, "s")
	s.await("suspended, attached true.")
	if !s.isRaw() {
		t.Error("the terminal is not raw")
	}
	io.WriteString(s.commands, "d")
	s.await("ended.")
}

func TestSize(t *testing.T) {
	s := open(t, "leader", "size", nil)
	s.await("91 23 true")
	s.await("ended.")
}

// If standard output isn't the terminal, other programs may write to the terminal, so
// it must still write \n as \r\n.
func TestLineEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	piped := open(t, "leader", "attach", w)
	w.Close()
	if line, err := bufio.NewReader(r).ReadString('\n'); !strings.HasPrefix(line, "attached true") {
		t.Fatalf("%q, %v", line, err)
	}
	if !piped.isRaw() || NeedsReturn(piped.slave) {
		t.Errorf("with a pipe: raw is %v, a return is needed: %v", piped.isRaw(), NeedsReturn(piped.slave))
	}
	s := open(t, "leader", "attach", nil)
	s.await("attached true")
	if !NeedsReturn(s.slave) {
		t.Error("a raw terminal needs no return")
	}
	io.WriteString(s.commands, "d")
	s.await("ended.")
	if NeedsReturn(s.slave) {
		t.Error("a terminal that is not raw needs a return")
	}
}

// On a nil Terminal all methods do nothing.
func TestNoTerminal(t *testing.T) {
	self, _ := os.Executable()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TTY_CHILD=none")
	if out, err := cmd.Output(); string(out) != "true false false false\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}
