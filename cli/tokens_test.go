//go:build unix

package cli

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"wsrun/test/launch"
)

// TestTokens checks that wsrun makes a random token of at least 128 bits if others can reach
// the address and the user has not chosen who may read.
func TestTokens(t *testing.T) {
	token := regexp.MustCompile(`#token=(\S*)`)
	seen := map[string]bool{}
	shortest := 1000
	for _, tt := range []struct {
		args, env []string
		want      string // "random" or ""; what is printed
	}{
		{[]string{"--addr", "127.0.0.1:0"}, nil, ""},
		{[]string{"--addr", "localhost:0"}, nil, ""},
		{[]string{"--addr", "[::1]:0"}, nil, ""},
		{[]string{"--addr", ":0"}, nil, "random"},
		{[]string{"--addr", "0.0.0.0:0"}, nil, "random"},
		{[]string{"--addr", "0.0.0.0:0"}, nil, "random"},
		{[]string{"--addr", ":0", "--public"}, nil, ""},
		{[]string{"--addr", ":0", "--auth-file", users(t, "ann", "pw")}, nil, ""},
		{[]string{"--addr", ":0", "--token", "given"}, nil, ""}, // a log need not have it
		{[]string{"--addr", "127.0.0.1:0"}, []string{"WSRUN_TOKEN=given"}, ""},
	} {
		cmd := wsrun(append(tt.args, "true")...)
		cmd.Env = append(cmd.Env, tt.env...)
		_, stderr, code := outcome(cmd)
		got := ""
		if m := token.FindStringSubmatch(stderr); m != nil {
			got = m[1]
		}
		if tt.want == "random" {
			if len(got) < 26 || seen[got] { // 26 characters of base32 hold 130 bits
				t.Errorf("%q: token %q", tt.args, got)
			}
			seen[got] = true
			shortest = min(shortest, len(got))
		} else if got != tt.want || code != 0 {
			t.Errorf("%q: token %q, status %d, %q", tt.args, got, code, stderr)
		}
	}
	t.Attr("promise", "where others can reach the address a random token is wanted")
	t.Attr("figure", fmt.Sprintf("%d bits; %d runs, all different", 5*shortest, len(seen)))
}

// TestGivenTokens checks that a token that the user gave is the one in force, and that it is in
// no log.
func TestGivenTokens(t *testing.T) {
	for _, tt := range []struct{ args, env []string }{
		{[]string{"--token", "a+b&c"}, nil}, {nil, []string{"WSRUN_TOKEN=a+b&c"}},
		{[]string{"--token", "a+b&c", "--log-format", "json", "--qr"}, []string{"WSRUN_TOKEN=second"}},
	} {
		cmd := wsrun(append(append([]string{"--linger", "1ms"}, tt.args...), "sh", "-c", "read x")...)
		cmd.Env = append(cmd.Env, tt.env...)
		r := spawn(t, cmd)
		line, _ := r.Errors.ReadString('\n')
		url := regexp.MustCompile(`http://[0-9.:]+/`).FindString(line)
		for token, want := range map[string]int{"a+b&c": 200, "second": 401, "": 401} {
			req, _ := http.NewRequest("GET", url, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != want {
				t.Errorf("%q, %q: %v, %v", tt, token, resp, err)
			}
		}
		r.Stdin.Close()
		r.Wait()
		if strings.Contains(r.Said(), "token") || !strings.Contains(r.Said(), "still serving") {
			t.Errorf("%q: said %q", tt, r.Said())
		}
	}
}

// TestRandomTokenIsPrintedOnce checks that a random token is printed at the start, even to a
// log, but not again at the end.
func TestRandomTokenIsPrintedOnce(t *testing.T) {
	_, stderr, _ := outcome(wsrun("--addr", ":0", "--linger", "1ms", "true"))
	if _, after, _ := strings.Cut(stderr, "still serving"); after == "" || strings.Contains(after, "token") || !strings.Contains(stderr, "#token=") {
		t.Errorf("said %q", stderr)
	}
}

// TestShortToken checks that wsrun warns of a short token if others can reach the address.
func TestShortToken(t *testing.T) {
	for _, tt := range []struct {
		addr, token string
		warned      bool
	}{{":0", "sesame", true}, {":0", "0123456789abcdef", false}, {"127.0.0.1:0", "sesame", false}} {
		_, stderr, code := outcome(wsrun("--addr", tt.addr, "--token", tt.token, "true"))
		if strings.Contains(stderr, "the token is short") != tt.warned || strings.Contains(stderr, tt.token) || code != 0 {
			t.Errorf("%+v: status %d, %q", tt, code, stderr)
		}
	}
}

func TestTokenFromStandardInput(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"sesame\nnot this\n", ""}, {"sesame\r\n", ""}, {"sesame", ""}, {"", "standard input has none"}, {"\nsesame", "standard input has none"},
		{strings.Repeat("x", 5000), "bad token"},
	} {
		r := spawn(t, wsrun("files", "--token", "-", t.TempDir()))
		io.WriteString(r.Stdin, tt.in)
		r.Stdin.Close()
		line, _ := r.Errors.ReadString('\n')
		if !strings.Contains(line, tt.want) {
			t.Errorf("%.20q: %q, want %q", tt.in, line, tt.want)
		}
		if addr, _ := launch.Address(line); tt.want == "" {
			req, _ := http.NewRequest("GET", "http://"+addr+"/", nil)
			req.Header.Set("Authorization", "Bearer sesame")
			if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 200 {
				t.Errorf("%q: %v, %v", tt.in, resp, err)
			}
		}
		r.Process.Signal(syscall.SIGTERM)
		r.Wait()
	}
}
