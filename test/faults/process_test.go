//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wsrun/test/launch"
)

var marks atomic.Int64

// wsrun returns a command that runs wsrun on a free port, unless args say
// otherwise. It and all that it starts have a mark in their environment.
func wsrun(args ...string) *exec.Cmd {
	cmd := launch.Command(executable, args...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d-%d", childMark, os.Getpid(), marks.Add(1)))
	return cmd
}

// A running is a wsrun whose address is known.
type running struct {
	*launch.Instance
	t    *testing.T
	addr string // "" before serves
}

// begin starts cmd, which runs wsrun, and waits until it serves.
func begin(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := run(t, cmd)
	if !r.serves() {
		t.Fatalf("wsrun does not serve; it said %q", r.Said())
	}
	return r
}

// run starts cmd, which runs wsrun, with a pipe as its standard input. At the test's
// end whatever is left of it is killed.
func run(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	cmd.WaitDelay = time.Second // for the pipe of standard error, which others may have
	i, err := launch.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Instance: i, t: t}
	t.Cleanup(r.destroy)
	return r
}

// serves waits until wsrun has told its address, and reports whether it has.
func (r *running) serves() bool {
	ctx, cancel := context.WithTimeout(context.Background(), latest)
	defer cancel()
	var err error
	r.addr, err = r.Address(ctx)
	return err == nil
}

// destroy kills all that has wsrun's mark.
func (r *running) destroy() {
	r.Stop()
	for _, pid := range marked(r.mark()) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// end waits for wsrun's end and returns its status.
func (r *running) end() int {
	r.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(2 * latest):
		r.t.Fatalf("wsrun did not end; it said %q", r.Said())
	}
	return r.ProcessState.ExitCode()
}

func (r *running) mark() string { return r.Env[len(r.Env)-1] }

// marked returns the processes that have the mark in their environment. Those that
// have ended have none.
func marked(mark string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range all {
		env, _ := os.ReadFile(name)
		if slices.Contains(strings.Split(string(env), "\x00"), mark) {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// children returns the direct ones.
func children(pid int) (pids []int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range threads {
		list, _ := os.ReadFile(name)
		for f := range strings.FieldsSeq(string(list)) {
			n, _ := strconv.Atoi(f)
			pids = append(pids, n)
		}
	}
	return pids
}

// await waits until what is true, for as long as within.
func await(t testing.TB, within time.Duration, what string, is func() bool) time.Duration {
	t.Helper()
	for start := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		if is() {
			return time.Since(start)
		}
		if time.Since(start) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// watching returns how many WebSocket viewers there are.
func (r *running) watching() int {
	resp, err := http.Get("http://" + r.addr + "/-/status")
	if err != nil {
		r.t.Error(err)
		return -1
	}
	defer resp.Body.Close()
	var s struct{ Viewers int }
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		r.t.Error(err)
	}
	return s.Viewers
}

// descriptors returns how many wsrun has open.
func (r *running) descriptors() int {
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.Process.Pid))
	return len(open)
}

// memory returns the bytes of wsrun's that are in memory and of no file.
func (r *running) memory() int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Process.Pid))
	_, value, _ := strings.Cut(string(text), "RssAnon:")
	kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
	return kib << 10
}
