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

// An injection makes a system call fail, in each thread, the when-th time that it is called.
type injection struct {
	call, errno string
	when        int
	path        string // count only calls that use this path; empty means all calls
}

// always holds the injections that are in every run, because each of them once made wsrun stop
// reading, serving or waiting.
var always = []injection{
	{"read", "ENOMEM", 1, "/dev/ptmx"},
	{"read", "ENOSPC", 2, "/dev/ptmx"},
	{"accept4", "ENOMEM", 1, ""},
	{"wait4", "ENOMEM", 1, ""},
}

// injections returns all injections whose when is at most most.
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

// runtimeGaveUp matches the messages with which Go's runtime ends the process because it can't
// work without its poller, or without another thread.
var runtimeGaveUp = regexp.MustCompile(`(?m)^runtime: (epollctl|netpollBreak write) failed|^runtime: failed to create new OS thread`)

// TestFailingCalls checks that a failing system call neither crashes nor hangs wsrun. It must
// end with the command's status or, before the command has started, with 125 and a message.
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
	all = slices.Concat(always, all[:iterations(56, 996)])
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

// injectedLines is how many lines the command of an injected run writes before and after it waits
// for the end of its standard input.
const injectedLines = 200

// An injected is a run of wsrun with an injection.
type injected struct {
	injection
	*instance
	trace  string // file
	viewer follower

	mu  sync.Mutex
	out bytes.Buffer // standard output; guarded by mu
}

// inject runs wsrun with the injection, and returns how it ended.
func (in injection) inject(t *testing.T) string {
	run := &injected{injection: in, trace: filepath.Join(t.TempDir(), "trace")}
	run.start(t)
	defer run.destroy()
	if run.serves() {
		in.watch(run.instance, &run.viewer)
	}
	run.Stdin.Close()
	select {
	case <-run.Done():
	case <-time.After(2 * maxDelay):
		if in.errno == "EAGAIN" && run.addr == "" {
			// Go waits for an event, but the file, in /proc, was readable all along.
			return "waits as it was told"
		}
		run.failed("wsrun hangs")
		return "hang"
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.ended()
}

// start starts wsrun under strace.
func (run *injected) start(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := wsrun(self, "count", fmt.Sprint(injectedLines))
	// The calls of wsrun's command must not fail, so strace detaches from it when it is executed.
	cmd.Args = append([]string{"strace", "-f", "-b", "execve", "-y", "-o", run.trace, "-e", "trace=" + run.call,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", run.call, run.errno, run.when), "--"}, cmd.Args...)
	if run.path != "" {
		cmd.Args = slices.Insert(cmd.Args, 1, "-P", run.path)
	}
	if cmd.Path, err = exec.LookPath("strace"); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = writerFunc(func(p []byte) {
		run.mu.Lock()
		defer run.mu.Unlock()
		run.out.Write(p)
	})
	run.instance = runWsrun(t, cmd)
}

// failed reports a failure of the test.
func (run *injected) failed(format string, args ...any) {
	run.t.Errorf("%s %s=%s:%d: %s\nstderr %.2000q\nhit %q", run.path, run.call, run.errno, run.when,
		fmt.Sprintf(format, args...), run.Said(), hits(run.trace))
}

// ended checks how wsrun ended, and returns a description. mu must be held.
func (run *injected) ended() string {
	said, f, short := run.Said(), &run.viewer, run.maybeShort()
	switch code := run.ProcessState.ExitCode(); {
	case code == 2 && runtimeGaveUp.MatchString(said):
		await(run.t, 2*time.Second, "the command is gone", func() bool { return len(tagged(run.tag())) == 0 })
		return "Go's runtime gave up"
	case strings.Contains(said, "panic") || strings.Contains(said, "goroutine "):
		run.failed("wsrun crashed, %d", code)
	case code == 125 && slices.ContainsFunc(strings.Split(said, "\n"), isMessage) && run.out.Len() == 0:
		return "125"
	case code != canaryStatus:
		run.failed("status %d", code)
	case f.exit != nil && (f.err != nil || f.next != 2*injectedLines+1 && !short || f.exit.Code != canaryStatus):
		run.failed("the viewer saw %d lines, %v, exit %d", f.next-1, f.err, f.exit.Code)
	default:
		o := oracle{next: 1}
		o.write(run.out.Bytes())
		if o.err != nil || o.next != 2*injectedLines+1 && !short && !strings.Contains(said, "write standard output") {
			run.failed("standard output has %d lines, %v", o.next-1, o.err)
		}
		if f.exit == nil {
			// After a false EAGAIN, wsrun waits for the next connection, which doesn't come.
			if run.call == "accept4" && run.errno != "EAGAIN" {
				run.failed("no viewer could be there")
			}
			return "the command's, without viewers"
		}
		return "the command's"
	}
	return "failed"
}

// maybeShort reports whether output may be missing: a terminal reports its end with EIO, so wsrun
// must take an injected EIO for the end.
func (run *injected) maybeShort() bool {
	return slices.ContainsFunc(hits(run.trace), func(h string) bool {
		return strings.Contains(h, "read(") && strings.Contains(h, "/dev/ptmx") && strings.Contains(h, "EIO")
	})
}

// hits returns the trace's lines of the calls that failed.
func hits(trace string) []string {
	log, _ := os.ReadFile(trace)
	return regexp.MustCompile(`(?m)^.*\(INJECTED\)$`).FindAllString(string(log), -1)
}

// watch follows to the end, and reconnects when it is cut off. Once it has caught up, it lets
// the command continue.
func (in injection) watch(r *instance, f *follower) {
	start := time.Now()
	for f.exit == nil {
		select {
		case <-r.Done():
			return
		default:
		}
		if time.Since(start) > 3*time.Second {
			r.Stdin.Close() // the command continues without viewers
		}
		if time.Since(start) > 2*maxDelay {
			return
		}
		if conn, err := dialFor(r.addr, time.Second); err == nil {
			if s, err := open(conn, r.addr, f.query(), "wsrun.v1"); err == nil {
				f.untilCaughtUp = f.hellos == 0
				if err = f.follow(s); err == errCaughtUp {
					r.Stdin.Close()
					f.untilCaughtUp = false
					f.follow(s)
				}
			}
			conn.Close()
		}
	}
}

// isMessage reports whether line is a message of wsrun, other than its URL.
func isMessage(line string) bool {
	_, url := launch.Address(line)
	return strings.Contains(line, "wsrun: ") && !url
}
