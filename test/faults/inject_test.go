//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/test/launch"
)

// An injection is a system call that fails, in each thread, at its when-th time.
type injection struct {
	call, errno string
	when        int
	path        string // only where that is read or written; empty means anywhere
}

// Each of these once had a wsrun stop reading, serving or waiting for good.
var always = []injection{
	{"read", "ENOMEM", 1, "/dev/ptmx"},
	{"read", "ENOSPC", 2, "/dev/ptmx"},
	{"accept4", "ENOMEM", 1, ""},
	{"wait4", "ENOMEM", 1, ""},
}

// injections returns every one up to the given time.
func injections(most int) (all []injection) {
	for when := range most {
		for _, call := range []string{"read", "write", "writev", "accept4", "epoll_ctl", "ioctl", "clone", "wait4", "waitid"} {
			for _, errno := range []string{"EIO", "EMFILE", "EINTR", "EAGAIN", "ENOMEM", "ENOSPC"} {
				all = append(all, injection{call, errno, when + 1, ""})
			}
		}
	}
	return all
}

// Go's runtime can't do without its poller, or a thread.
var runtimeGaveUp = regexp.MustCompile(`(?m)^runtime: (epollctl|netpollBreak write) failed|^runtime: failed to create new OS thread`)

// A failing system call neither crashes nor hangs wsrun: it ends with the command's
// status, or with 125 and a message before the command has started.
func TestFailingCalls(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: make deps")
	}
	if err := exec.Command("strace", "-o", "/dev/null", "true").Run(); err != nil {
		t.Skipf("strace may not trace here: %v", err)
	}
	all := injections(20)
	if !*long {
		all = injections(4)
		random(t).Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	}
	all = slices.Concat(always, all[:times(56, 996)])
	var mu sync.Mutex
	ends := map[string]int{}
	t.Cleanup(func() {
		t.Attr("promise", "a system call that fails neither crashes nor hangs wsrun")
		t.Attr("figure", fmt.Sprintf("%d failures; how it ended: %v", len(all), ends))
	})
	const workers = 4
	for w := range workers {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			for i := w; i < len(all); i += workers {
				end := all[i].inject(t)
				mu.Lock()
				ends[end]++
				mu.Unlock()
			}
		})
	}
}

// inject runs wsrun with the failure, and says how it ended.
func (in injection) inject(t *testing.T) string {
	const lines = 200
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := wsrun(self, "count", fmt.Sprint(lines))
	// wsrun alone, and not its command, which is detached where it is executed.
	cmd.Args = append([]string{"strace", "-f", "-b", "execve", "-y", "-o", trace, "-e", "trace=" + in.call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", in.call, in.errno, in.when), "--"}, cmd.Args...)
	if in.path != "" {
		cmd.Args = slices.Insert(cmd.Args, 1, "-P", in.path)
	}
	if cmd.Path, err = exec.LookPath("strace"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out bytes.Buffer
	cmd.Stdout = writerFunc(func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		out.Write(p)
	})
	r := run(t, cmd)
	defer r.destroy()
	var f follower
	if r.serves() {
		in.watch(r, &f)
	}
	r.Stdin.Close()
	failed := func(format string, args ...any) {
		t.Errorf("%s %s=%s:%d: %s\nstderr %.2000q\nhit %q", in.path, in.call, in.errno, in.when, fmt.Sprintf(format, args...), r.Said(), hits(trace))
	}
	select {
	case <-r.Done():
	case <-time.After(2 * latest):
		if in.errno == "EAGAIN" && r.addr == "" {
			// Go waits for what was ready all along, a file of /proc.
			return "waits as it was told"
		}
		failed("wsrun hangs")
		return "hang"
	}
	mu.Lock()
	defer mu.Unlock()
	said := r.Said()
	// EIO is how a terminal says that it has ended: so it may do here, after the
	// command.
	short := slices.ContainsFunc(hits(trace), func(h string) bool {
		return strings.Contains(h, "read(") && strings.Contains(h, "/dev/ptmx") && strings.Contains(h, "EIO")
	})
	switch code := r.ProcessState.ExitCode(); {
	case code == 2 && runtimeGaveUp.MatchString(said):
		await(t, 2*time.Second, "the command is gone", func() bool { return len(marked(r.mark())) == 0 })
		return "Go's runtime gave up"
	case strings.Contains(said, "panic") || strings.Contains(said, "goroutine "):
		failed("wsrun crashed, %d", code)
	case code == 125 && slices.ContainsFunc(strings.Split(said, "\n"), isMessage) && out.Len() == 0:
		return "125"
	case code != canaryStatus:
		failed("status %d", code)
	case f.exit != nil && (f.err != nil || f.next != 2*lines+1 && !short || f.exit.Code != canaryStatus):
		failed("the viewer saw %d lines, %v, exit %d", f.next-1, f.err, f.exit.Code)
	default:
		o := oracle{next: 1}
		o.write(out.Bytes())
		if o.err != nil || o.next != 2*lines+1 && !short && !strings.Contains(said, "write standard output") {
			failed("standard output has %d lines, %v", o.next-1, o.err)
		}
		if f.exit == nil {
			// An EAGAIN that is none waits for the next viewer, as it would for us.
			if in.call == "accept4" && in.errno != "EAGAIN" {
				failed("no viewer could be there")
			}
			return "the command's, without viewers"
		}
		return "the command's"
	}
	return "failed"
}

// hits returns the calls that failed, as the trace has them.
func hits(trace string) []string {
	log, _ := os.ReadFile(trace)
	return regexp.MustCompile(`(?m)^.*\(INJECTED\)$`).FindAllString(string(log), -1)
}

// watch lets the command go on once a viewer is there, and follows to the end,
// coming again when it is cut off.
func (in injection) watch(r *running, f *follower) {
	start := time.Now()
	for f.exit == nil {
		select {
		case <-r.Done():
			return
		default:
		}
		if time.Since(start) > 3*time.Second {
			r.Stdin.Close() // it goes without viewers
		}
		if time.Since(start) > 2*latest {
			return
		}
		if conn, err := dialFor(r.addr, time.Second); err == nil {
			if s, err := open(conn, r.addr, f.query(), "wsrun.v1"); err == nil {
				f.enough = f.hellos == 0
				if err = f.follow(s); err == errEnough {
					r.Stdin.Close()
					f.enough = false
					f.follow(s)
				}
			}
			conn.Close()
		}
	}
}

// isMessage reports whether wsrun says more in line than its URL.
func isMessage(line string) bool {
	_, url := launch.Address(line)
	return strings.Contains(line, "wsrun: ") && !url
}
