//go:build unix

package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
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

// dial connects a viewer of wsrun.v1, or a plain one if there is no subprotocol.
func (r *instance) dial(subprotocols ...string) *client.Viewer {
	r.t.Helper()
	return dial(r.t, "ws://"+r.addr+"/", subprotocols...)
}

// dial is like the method of that name, for any URL. The connection is closed at the end of the
// test.
func dial(t *testing.T, url string, subprotocols ...string) *client.Viewer {
	t.Helper()
	v, err := client.Dial(t.Context(), url, client.Options{Plain: len(subprotocols) == 0})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// end waits until wsrun has ended and returns its exit status.
func (r *instance) end() int {
	r.Wait()
	return r.ProcessState.ExitCode()
}

// watch reads a viewer until it is closed, and returns the output and the exit event. It calls
// pause after each message.
func watch(v *client.Viewer, pause func()) (data []byte, exit string, err error) {
	for {
		m, err := v.Next(context.Background())
		if client.CloseCode(err) == protocol.CloseEnded {
			return data, exit, nil
		}
		if err != nil {
			return data, exit, err
		}
		switch m.Event.(type) {
		case nil:
			data = append(data, m.Payload...)
		case protocol.ExitEvent:
			exit = string(m.Payload)
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
