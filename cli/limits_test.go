//go:build unix

package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsrun/test/launch"
)

// limited returns wsrun with limits on open files, as ulimit's options and a number.
func limited(ulimit string, args ...string) *exec.Cmd {
	cmd := wsrun(args...)
	sh, _ := exec.LookPath("sh")
	cmd.Args = append([]string{"sh", "-c", "ulimit " + ulimit + ` && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = sh
	return cmd
}

// metric returns the value of one of wsrun's metrics.
func (r *running) metric(name string) float64 {
	r.t.Helper()
	_, body := r.fetch("/-/metrics")
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		r.t.Fatalf("no %s in %s", name, body)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// fetch returns the answer to a GET on a connection of its own.
func (r *running) fetch(path string) (*http.Response, string) {
	r.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + r.addr + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

// With any number of descriptors wsrun works or says what is missing; and with too
// many connections it neither hangs nor spins nor floods the log, recovers, and the
// command does not notice.
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
				if code := r.ProcessState.ExitCode(); code == 125 && strings.Contains(said, "too many open files\n") && strings.Contains(said, "hint: raise the limit") {
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
			for range n + 20 { // which is more than there are descriptors
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
			io.WriteString(r.Stdin, "\n") // the command goes on, and a viewer sees it
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

// Connections that go make room for others at once, and meanwhile it does not spin.
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
		// Kept-alive connections are given up for new ones.
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

// The soft limit is raised for wsrun alone: the command has the one that it would
// have without.
func TestTheCommandKeepsItsLimit(t *testing.T) {
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

// With --log-format json every line on standard error is JSON, and with text each
// begins with wsrun's name.
func TestLogFormat(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		args []string
		hint bool
	}{
		{[]string{"echo", "hi"}, false},
		{[]string{"--qr", "echo", "hi"}, false},
		{[]string{"--linger", "1ms", "echo", "hi"}, false},
		{[]string{"no-such\x1b[2J"}, false},
		{[]string{"--bogus\x1b[2J\u009b\u202e\U000e0001"}, true}, // which cobra does not quote
		{[]string{"--lines", "x", "true"}, true},
		{[]string{"--addr", taken.Addr().String(), "true"}, true},
		{[]string{"files"}, true},
		{[]string{"files", "--bogus"}, true},
		{[]string{"files", "/no/such"}, false},
	} {
		for _, format := range []string{"text", "json"} {
			for _, given := range []string{"flag", "environment"} {
				cmd := wsrun(tt.args...)
				switch {
				case given == "environment":
					cmd.Env = append(cmd.Env, "WSRUN_LOG_FORMAT="+format, "WSRUN_LOG_LEVEL=debug")
				case tt.args[0] == "files":
					cmd = wsrun(append([]string{"files", "--log-format", format}, tt.args[1:]...)...)
				default:
					cmd = wsrun(append([]string{"--log-format", format}, tt.args...)...)
				}
				_, stderr, _ := outcome(cmd)
				hints := 0
				for line := range strings.Lines(stderr) {
					if format == "text" {
						if strings.HasPrefix(line, "wsrun: hint: ") {
							hints++
						}
						if !strings.HasPrefix(line, "wsrun: ") && !(tt.args[0] == "--qr" && strings.ContainsAny(line, "█▀▄")) {
							t.Errorf("%q: says %q", tt.args, line)
						}
						continue
					}
					var record struct{ Time, Level, Msg, Hint string }
					if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg == "" || record.Level == "" || !strings.HasSuffix(line, "}\n") {
						t.Errorf("%q, by %s: says %q, %v", tt.args, given, line, err)
					}
					if record.Hint != "" {
						hints++
					}
				}
				if stderr == "" || (hints > 0) != tt.hint {
					t.Errorf("%q, %s by %s: %d hints: %q", tt.args, format, given, hints, stderr)
				}
				if strings.ContainsAny(stderr, "\x1b\u009b") || format == "json" && strings.ContainsAny(stderr, "\u202e\U000e0001") {
					t.Errorf("%q: %q could drive a terminal", tt.args, stderr)
				}
			}
		}
	}
	for flag, want := range map[string]string{"--log-format=xml": "want text or json", "--log-level=loud": "want debug, info", "--log-level=info+1": "want debug, info"} {
		if _, stderr, code := outcome(wsrun(flag, "true")); code != 125 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", flag, code, stderr)
		}
	}
}

// Viewers that come and go, and refusals, are logged at debug and not before.
func TestLogLevel(t *testing.T) {
	for level, want := range map[string]bool{"debug": true, "info": false, "warn": false, "error": false} {
		for _, format := range []string{"text", "json"} {
			r := startAny(t, "--log-level", level, "--log-format", format, "sh", "-c", "echo hi; read x")
			viewer := r.dial("wsrun.v1")
			request, _ := http.NewRequest("GET", "http://"+r.addr+"/?secret", nil)
			request.Host = "evil.example"
			resp, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			io.WriteString(r.Stdin, "\n")
			watch(viewer, func() {})
			said, _ := io.ReadAll(r.Errors)
			r.Wait()
			for _, what := range []string{"viewer came", "viewer left", "the stream ended", "wsrun.v1", "refused", "evil.example"} {
				if strings.Contains(string(said), what) != want {
					t.Errorf("%s, %s: %q", level, format, said)
				}
			}
			if strings.Contains(string(said), "secret") {
				t.Errorf("%q", said)
			}
		}
	}
}

var anyURL = regexp.MustCompile(`http://(127[^/]+)/`)

// startAny is start for any format of log lines.
func startAny(t *testing.T, args ...string) *running {
	t.Helper()
	r := spawn(t, wsrun(args...))
	line, err := r.Errors.ReadString('\n')
	m := anyURL.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no URL in %q, %v", line, err)
	}
	r.addr = m[1]
	return r
}

// On a raw terminal a log line ends with a carriage return.
func TestLogOnARawTerminal(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		cmd, master, slave := onTerminal(t, "1", nil, "--log-level", "debug", "--log-format", format, "sh", "-c", "echo ready; read x")
		r := &running{t: t, addr: anyURL.FindStringSubmatch(await(t, master, "ready"))[1]}
		viewer := r.dial("wsrun.v1")
		said := await(t, master, "viewer came")
		if !strings.HasSuffix(said, "\n") {
			said += await(t, master, "\n")
		}
		if !strings.HasSuffix(said, "\r\n") {
			t.Errorf("%s: %q", format, said)
		}
		viewer.Close()
		io.WriteString(master, "\r")
		awaitCooked(t, slave)
		io.WriteString(master, "\n")
		go io.Copy(io.Discard, master)
		cmd.Wait()
	}
}

// A standard error that takes nothing holds up neither viewers nor the end.
func TestStalledStandardError(t *testing.T) {
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	cmd := wsrun("--log-level", "debug", "sh", "-c", "read x; echo end; exit 3")
	cmd.Stderr = pw
	r := spawn(t, cmd)
	pw.Close()
	line, _ := bufio.NewReaderSize(io.LimitReader(pr, 64), 64).ReadString('\n')
	addr, ok := launch.Address(line)
	if !ok {
		t.Fatalf("no URL in %q", line)
	}
	r.addr = addr
	for range 2000 { // a pipe holds 64 KiB
		if resp, _ := r.fetch("/none"); resp.StatusCode != 404 {
			t.Fatal(resp.Status)
		}
	}
	viewer := r.dial("wsrun.v1")
	io.WriteString(r.Stdin, "\n")
	if data, _, err := watch(viewer, func() {}); string(data) != "end\r\n" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if r.Wait(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%v", cmd.ProcessState)
	}
}

func TestFilesMetrics(t *testing.T) {
	l := startFiles(t)
	l.write("a.log", "one\ntwo\n")
	l.write("b.log", "three\n")
	a := l.open("a.log?tail=1", "wsrun.v1")
	filtered := l.open("a.log?tail=1&grep=one", "wsrun.v1")
	b := l.open("b.log?tail=1", "wsrun.v1")
	await := func(want map[string]float64) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			var wrong []string
			for name, v := range want {
				if got := l.metric(name); got != v {
					wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", name, got, v))
				}
			}
			if wrong == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q", wrong)
			}
		}
	}
	await(map[string]float64{
		`wsrun_files_followed{state="watched"}`: 3, `wsrun_files_followed{state="idle"}`: 0, "wsrun_files_filtered": 1,
		"wsrun_files_follows_total": 3, "wsrun_files_evictions_total": 0, `wsrun_viewers{kind="wsrun.v1"}`: 3,
		"wsrun_received_bytes_total": 8 + 8 + 6, "wsrun_ring_bytes": 8 + 4 + 6, "wsrun_ring_lines": 4, "wsrun_chunks_total": 3,
	})
	filtered.Close() // ends with its last viewer
	b.Close()        // is followed on for a while
	l.append("a.log", "four\n")
	await(map[string]float64{
		`wsrun_files_followed{state="watched"}`: 1, `wsrun_files_followed{state="idle"}`: 1, "wsrun_files_filtered": 0,
		"wsrun_files_follows_total": 3, "wsrun_files_evictions_total": 1, `wsrun_viewers{kind="wsrun.v1"}`: 1,
		"wsrun_ring_bytes": 13 + 6, "wsrun_chunks_total": 4,
	})
	a.Close()
}

// For want of descriptors a file that exists is not said to be missing.
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
	if resp, body := r.fetch(log); resp.StatusCode != 200 || body != "a line\n" {
		t.Errorf("in the end: %s, %q", resp.Status, body)
	}
}
