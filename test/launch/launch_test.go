package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test binary is what the tests start.
func TestMain(m *testing.M) {
	switch os.Getenv("LAUNCH_CHILD") {
	case "serve":
		fmt.Fprintln(os.Stderr, "wsrun: a warning")
		fmt.Fprintln(os.Stderr, "wsrun: http://127.0.0.1:1234/")
		io.Copy(io.Discard, os.Stdin)
		fmt.Fprintln(os.Stderr, "wsrun: the end")
		os.Exit(3)
	case "wait":
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "fail":
		fmt.Fprintln(os.Stderr, "wsrun: no")
		os.Exit(125)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, name string) *Instance {
	t.Helper()
	t.Setenv("WSRUN_LINGER", "forever")
	cmd := Command(os.Args[0])
	for _, v := range cmd.Env {
		if strings.HasPrefix(v, "WSRUN_") && v != "WSRUN_ADDR=127.0.0.1:0" {
			t.Errorf("%s is in the environment", v)
		}
	}
	cmd.Env = append(cmd.Env, "LAUNCH_CHILD="+name)
	i, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i
}

func TestInstance(t *testing.T) {
	i := child(t, "serve")
	if addr, err := i.Address(t.Context()); addr != "127.0.0.1:1234" || err != nil {
		t.Errorf("Address = %q, %v", addr, err)
	}
	if line, err := i.Errors.ReadString('\n'); line != "wsrun: a warning\n" || err != nil {
		t.Errorf("the first line is %q, %v", line, err)
	}
	select {
	case <-i.Done():
		t.Error("Done before the end")
	default:
	}
	i.Stdin.Close()
	rest, err := io.ReadAll(i.Errors)
	if want := "wsrun: http://127.0.0.1:1234/\nwsrun: the end\n"; string(rest) != want || err != nil {
		t.Errorf("the rest is %q, %v", rest, err)
	}
	var exit *exec.ExitError
	for range 2 {
		if err := i.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("Wait = %v, want status 3", err)
		}
	}
	if want := "wsrun: a warning\n" + string(rest); i.Said() != want {
		t.Errorf("Said = %q, want %q", i.Said(), want)
	}
}

func TestNoAddress(t *testing.T) {
	i := child(t, "fail")
	if addr, err := i.Address(t.Context()); err == nil || !strings.Contains(err.Error(), `"wsrun: no\n"`) {
		t.Errorf("Address = %q, %v", addr, err)
	}
	i = child(t, "wait")
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if addr, err := i.Address(ctx); err != enough {
		t.Errorf("Address = %q, %v; want %v", addr, err, enough)
	}
	i.Stop()
	if i.ProcessState.ExitCode() != -1 {
		t.Errorf("stopped: %v", i.ProcessState)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"wsrun: https://[::1]:80/base/#token=x\n": "[::1]:80",
		"wsrun: http://a:1/ http://b:2/":          "a:1",
		"http://a:1/":                             "",
		"wsrun: http://a:1":                       "",
	} {
		if got, ok := Address(text); got != want || ok != (want != "") {
			t.Errorf("Address(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
}
