//go:build unix

package cli

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsrun/test/launch"
	"wsrun/test/wait"
)

// limited returns a command that runs wsrun with a limit on open files, which is given as the
// arguments of ulimit.
func limited(ulimit string, args ...string) *exec.Cmd {
	cmd := wsrun(args...)
	sh, _ := exec.LookPath("sh")
	cmd.Args = append([]string{"sh", "-c", "ulimit " + ulimit + ` && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = sh
	return cmd
}

// TestFewDescriptors checks that with any limit on file descriptors, wsrun works or says what
// is missing. With too many connections, it must neither hang nor flood the log, it must
// recover, and the command must not be affected.
func TestFewDescriptors(t *testing.T) {
	limits := []int{10, 12, 16, 20, 21, 24, 28, 32, 40, 64, 100, 150, 200}
	t.Cleanup(func() {
		t.Attr("promise", "with few descriptors wsrun serves on, or says what is missing; the command does not notice")
		t.Attr("figure", fmt.Sprintf("limits of %d to %d, %d runs", limits[0], limits[len(limits)-1], len(limits)))
	})
	for _, n := range limits {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			cmd := limited(fmt.Sprint("-n ", n), "sh", "-c", `ulimit -n; read x; i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done; exit 3`)
			r := spawn(t, cmd)
			first, _ := r.Errors.ReadString('\n')
			addr, ok := launch.Address(first)
			if n < 20 {
				r.Stdin.Close()
				rest, _ := io.ReadAll(r.Errors)
				r.Wait()
				said := first + string(rest)
				if code := r.ProcessState.ExitCode(); code == 125 && strings.Contains(said, "too many open files\n") &&
					strings.Contains(said, "hint: raise the limit") {
					return
				} else if code != 3 && !strings.Contains(said, "netpoll") && !strings.Contains(said, "epoll") {
					t.Errorf("status %d, %q", code, said)
				}
				return
			}
			if !ok {
				t.Fatalf("says %q", first)
			}
			r.addr = addr
			viewer := r.dial("wsrun.v1")
			most := int(r.metric("wsrun_viewers_max"))
			if want := max(n-128, n/4); most != want {
				t.Errorf("%d viewers are let in, want %d", most, want)
			}
			var held []net.Conn
			for range n + 20 { // more than there are descriptors
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					break // the kernel's queue is full as well
				}
				held = append(held, c)
			}
			line, err := r.Errors.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "wsrun: ") || !strings.Contains(line, "too many open files") {
				t.Fatalf("%q, %v", line, err)
			}
			io.WriteString(r.Stdin, "\n") // the command continues, and a viewer sees its output
			data, exit := make(chan []byte, 1), make(chan string, 1)
			go func() {
				d, e, _ := watch(viewer, func() {})
				data <- d
				exit <- e
			}()
			want := fmt.Sprintf("%d\r\n", n)
			for i := 1; i <= 500; i++ {
				want += fmt.Sprintf("%d\r\n", i)
			}
			if got := string(<-data); got != want {
				t.Errorf("the viewer got %q", got)
			}
			if e := <-exit; !strings.Contains(e, `"code":3`) {
				t.Errorf("exit event %q", e)
			}
			for _, c := range held {
				c.Close()
			}
			rest, _ := io.ReadAll(r.Errors)
			r.Wait()
			if code := r.ProcessState.ExitCode(); code != 3 || r.out.String() != want {
				t.Errorf("status %d, %q", code, r.out.String())
			}
			if strings.Contains(string(rest), "too many open files") {
				t.Errorf("says it again: %q", rest)
			}
		})
	}
}

// TestDescriptorsRecover checks that closed connections make room for new ones at once, and
// that wsrun doesn't spin in the meantime.
func TestDescriptorsRecover(t *testing.T) {
	for _, n := range []int{20, 60, 200} {
		r := begin(t, limited(fmt.Sprint("-n ", n), "cat"))
		for range 3 {
			var held []net.Conn
			for range n + 20 {
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					break
				}
				held = append(held, c)
			}
			for _, c := range held {
				c.Close()
			}
			if resp, _ := r.fetch("/-/healthz"); resp.StatusCode != 200 {
				t.Errorf("%d: %s", n, resp.Status)
			}
		}
		// Idle keep-alive connections are closed in favour of new ones.
		var idle []net.Conn
		for range n + 20 {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(c, "GET /-/healthz HTTP/1.1\r\nHost: %s\r\n\r\n", r.addr)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%d: connection %d: %v, %v", n, len(idle), resp, err)
			}
			idle = append(idle, c)
		}
		if failures := r.metric("wsrun_accept_failures_total"); failures > 200 {
			t.Errorf("%d: %v tries in a few seconds", n, failures)
		}
		r.Process.Signal(syscall.SIGTERM)
		r.Stdin.Close()
		said, _ := io.ReadAll(r.Errors)
		r.Wait()
		if lines := strings.Count(string(said), "too many open files"); lines > 2 {
			t.Errorf("%d: %d lines: %s", n, lines, said)
		}
	}
}

// TestCommandKeepsDescriptorLimit checks that the soft limit is raised only for wsrun: the
// command has the limits that it would have without wsrun.
func TestCommandKeepsDescriptorLimit(t *testing.T) {
	cmd := limited("-Sn 100 && ulimit -Hn 500", "sh", "-c", "ulimit -Sn; ulimit -Hn; read x")
	r := begin(t, cmd)
	if most := r.metric("wsrun_viewers_max"); most != 499-128 && most != 500-128 {
		t.Errorf("%v viewers are let in", most)
	}
	io.WriteString(r.Stdin, "\n")
	if r.end(); r.out.String() != "100\r\n500\r\n" {
		t.Errorf("the command's limits are %q", r.out.String())
	}
}

func TestMaxViewers(t *testing.T) {
	for args, want := range map[string]string{
		"0": "want a number of viewers", "-1": "want a number of viewers", "x": "want a number of viewers",
		"73": "--max-viewers 73: only 200 files may be open, which is enough for 72 viewers",
	} {
		if _, stderr, code := outcome(limited("-n 200", "--max-viewers", args, "true")); code != 125 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", args, code, stderr)
		}
	}
	r := begin(t, limited("-n 200", "--max-viewers", "2", "cat"))
	if most := r.metric("wsrun_viewers_max"); most != 2 {
		t.Errorf("%v viewers are let in", most)
	}
}

// TestFilesWithFewDescriptors checks that wsrun files, when it is out of descriptors, doesn't
// claim that a file is missing.
func TestFilesWithFewDescriptors(t *testing.T) {
	log := filepath.Join(t.TempDir(), "a.log")
	os.WriteFile(log, []byte("a line\n"), 0o600)
	r := begin(t, limited("-n 32", "files", log))
	var held []net.Conn
	for range 60 {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		defer c.Close()
		held = append(held, c)
	}
	if line, err := r.Errors.ReadString('\n'); err != nil || !strings.Contains(line, "too many open files") {
		t.Fatalf("%q, %v", line, err)
	}
	answers := map[int]int{}
	for _, c := range held {
		c.SetDeadline(time.Now().Add(300 * time.Millisecond)) // most are not accepted
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", log, r.addr)
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			answers[resp.StatusCode]++
		}
	}
	if answers[404] > 0 || answers[503] == 0 {
		t.Errorf("answers %v: want some 503, and no 404", answers)
	}
	for _, c := range held {
		c.Close()
	}
	wait.For(t, wait.Patience, "the file can't be read in the end", func() bool { // the connections close first
		resp, body := r.fetch(log)
		return resp.StatusCode == 200 && body == "a line\n"
	})
}
