//go:build unix

package ptyproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// The test binary re-executes itself as the child; PTYPROC_CHILD names what the child does.
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
	// leave ends immediately, but leaves a child in another session that has the terminal
	// open.
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
	// parent ignores the signal, but its child in the same group doesn't.
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

// burst is less than a terminal's buffer holds, in bytes (docs/facts.md, ptyproc).
const burst = 4000

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
