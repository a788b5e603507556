//go:build unix

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/test/launch"
)

// wsrun returns a command that runs wsrun, by default on a free port.
func wsrun(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := launch.Command(self, args...)
	cmd.Env = append(cmd.Env, "WSRUN_TEST_MAIN=1")
	return cmd
}

// outcome runs cmd and returns its output and exit status.
func outcome(cmd *exec.Cmd) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	cmd.Run()
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// An instance is a running wsrun whose standard input is a pipe and whose address is known.
type instance struct {
	*launch.Instance
	t    *testing.T
	addr string
	out  bytes.Buffer
}

// start starts wsrun, and waits for its URL in its first line.
func start(t *testing.T, args ...string) *instance {
	t.Helper()
	return begin(t, wsrun(args...))
}

// begin is start for a command that [wsrun] returned.
func begin(t *testing.T, cmd *exec.Cmd) *instance {
	t.Helper()
	r := spawn(t, cmd)
	r.announced()
	return r
}

// spawn starts cmd, which runs wsrun, without waiting, and kills it at the end of the test.
func spawn(t *testing.T, cmd *exec.Cmd) *instance {
	t.Helper()
	r := &instance{t: t}
	if cmd.Stdout == nil {
		cmd.Stdout = &r.out
	}
	i, err := launch.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		i.Process.Kill()
		i.Stdin.Close()
	})
	r.Instance = i
	return r
}

// announced reads a line of standard error, which must contain wsrun's URL.
func (r *instance) announced() {
	r.t.Helper()
	line, err := r.Errors.ReadString('\n')
	addr, ok := launch.Address(line)
	if !ok {
		r.t.Fatalf("no URL in %q, %v", line, err)
	}
	r.addr = addr
}

// dial connects a WebSocket viewer.
func (r *instance) dial(subprotocols ...string) *websocket.Conn {
	r.t.Helper()
	c, _, err := websocket.Dial(r.t.Context(), "ws://"+r.addr+"/", &websocket.DialOptions{Subprotocols: subprotocols})
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetReadLimit(-1)
	r.t.Cleanup(func() { c.CloseNow() })
	return c
}

// end waits until wsrun has ended and returns its exit status.
func (r *instance) end() int {
	r.Wait()
	return r.ProcessState.ExitCode()
}

// watch reads a viewer until it is closed, and returns the output and the exit event. It calls
// pause after each message.
func watch(c *websocket.Conn, pause func()) (data []byte, exit string, err error) {
	for {
		kind, p, err := c.Read(context.Background())
		if err != nil {
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
				err = nil
			}
			return data, exit, err
		}
		var e struct{ Event string }
		switch {
		case c.Subprotocol() == "" || kind == websocket.MessageBinary:
			data = append(data, p...)
		case json.Unmarshal(p, &e) == nil && e.Event == "exit":
			exit = string(p)
		}
		pause()
	}
}

// metric returns the value of one of wsrun's metrics.
func (r *instance) metric(name string) float64 {
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

// fetch sends a GET request on a new connection and returns the response and its body.
func (r *instance) fetch(path string) (*http.Response, string) {
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
