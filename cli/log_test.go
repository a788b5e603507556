//go:build unix

package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"wsrun/test/launch"
)

// TestLogFormat checks that every line on standard error is JSON with --log-format json, and
// starts with wsrun's name otherwise.
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
		{[]string{"--bogus\x1b[2J\u009b\u202e\U000e0001"}, true}, // not quoted by cobra
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
					if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg == "" || record.Level == "" ||
						!strings.HasSuffix(line, "}\n") {
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
	for flag, want := range map[string]string{
		"--log-format=xml": "want text or json", "--log-level=loud": "want debug, info", "--log-level=info+1": "want debug, info",
	} {
		if _, stderr, code := outcome(wsrun(flag, "true")); code != 125 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q", flag, code, stderr)
		}
	}
}

// TestLogLevel checks that viewers and refusals are logged at debug only.
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

// anyURL matches wsrun's URL in a line of any format.
var anyURL = regexp.MustCompile(`http://(127[^/]+)/`)

// startAny is start for any format of log lines.
func startAny(t *testing.T, args ...string) *instance {
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

// TestLogOnRawTerminal checks that on a raw terminal, a log line ends with a carriage return.
func TestLogOnRawTerminal(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		cmd, master, slave := onTerminal(t, "1", nil, "--log-level", "debug", "--log-format", format, "sh", "-c", "echo ready; read x")
		r := &instance{t: t, addr: anyURL.FindStringSubmatch(await(t, master, "ready"))[1]}
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

// TestStalledStandardError checks that a blocked standard error delays neither viewers nor the
// end.
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
