//go:build linux

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// tags counts the tags given so far.
var tags atomic.Int64

// wsrun returns a command that runs wsrun, by default on a free port. wsrun and all processes
// that it starts have a unique tag in their environment.
func wsrun(args ...string) *exec.Cmd {
	cmd := launch.Command(executable, args...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d-%d", tagVariable, os.Getpid(), tags.Add(1)))
	return cmd
}

// An instance is a running wsrun.
type instance struct {
	*launch.Instance
	t    *testing.T
	addr string // set by serves
}

// begin starts cmd, which runs wsrun, and waits until it serves.
func begin(t *testing.T, cmd *exec.Cmd) *instance {
	t.Helper()
	r := runWsrun(t, cmd)
	if !r.serves() {
		t.Fatalf("wsrun does not serve; it said %q", r.Said())
	}
	return r
}

// runWsrun starts cmd, which runs wsrun, with a pipe as standard input. At the end of the test, all
// processes that are left of it are killed.
func runWsrun(t *testing.T, cmd *exec.Cmd) *instance {
	t.Helper()
	cmd.WaitDelay = time.Second // other processes may hold the pipe of standard error open
	i, err := launch.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	r := &instance{Instance: i, t: t}
	t.Cleanup(r.destroy)
	return r
}

// serves waits until wsrun has printed its URL, and reports whether it has done so.
func (r *instance) serves() bool {
	ctx, cancel := context.WithTimeout(context.Background(), maxDelay)
	defer cancel()
	var err error
	r.addr, err = r.Address(ctx)
	return err == nil
}

// destroy kills all processes that have wsrun's tag.
func (r *instance) destroy() {
	r.Stop()
	for _, pid := range tagged(r.tag()) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// end waits until wsrun has ended and returns its exit status.
func (r *instance) end() int {
	r.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(2 * maxDelay):
		r.t.Fatalf("wsrun did not end; it said %q", r.Said())
	}
	return r.ProcessState.ExitCode()
}

// tag returns the environment variable that wsrun and its processes have.
func (r *instance) tag() string { return r.Env[len(r.Env)-1] }

// tagged returns the running processes that have a tag in their environment. A process that has
// ended has none.
func tagged(tag string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range all {
		env, _ := os.ReadFile(name)
		if slices.Contains(strings.Split(string(env), "\x00"), tag) {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// children returns a process's direct children.
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

// await waits until is returns true, and returns how long that took. If it takes longer than
// within, await fails the test, saying what it waited for.
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

// watching returns the number of WebSocket viewers.
func (r *instance) watching() int {
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

// follows reports whether there is a viewer of a kind.
func (r *instance) follows(kind string) bool {
	resp, err := http.Get("http://" + r.addr + "/-/metrics")
	if err != nil {
		r.t.Error(err)
		return false
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return strings.Contains(string(text), fmt.Sprintf("wsrun_viewers{kind=%q} 1\n", kind))
}

// descriptors returns the number of wsrun's open file descriptors.
func (r *instance) descriptors() int {
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.Process.Pid))
	return len(open)
}

// memory returns wsrun's resident anonymous memory in bytes.
func (r *instance) memory() int64 {
	r.t.Helper()
	memory, err := launch.Memory(r.Process.Pid)
	if err != nil {
		r.t.Fatal(err)
	}
	return memory
}
