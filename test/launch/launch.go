// Package launch starts wsrun for tests and benchmarks, and collects what it prints on
// standard error. It is the one place in Go that knows how wsrun announces its address.
package launch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Build builds wsrun in dir, as a release is built, and returns the binary's path.
func Build(dir string) (string, error) {
	path := filepath.Join(dir, "wsrun")
	build := exec.Command("go", "build", "-o", path, "wsrun")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build wsrun: %w\n%s", err, out)
	}
	return path, nil
}

// Command returns a command that runs the wsrun at path, on a free port of the loopback
// interface unless args say otherwise. It ignores the WSRUN_ variables of whoever runs
// the tests, and doesn't wait at its end when it was built with -race.
func Command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	others := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WSRUN_") })
	cmd.Env = append(others, "WSRUN_ADDR=127.0.0.1:0", "GORACE=atexit_sleep_ms=0")
	return cmd
}

var url = regexp.MustCompile(`wsrun: https?://([^/\s]+)/`)

// Address returns the HOST:PORT of the first URL that wsrun announces in text. ok
// reports whether there is one.
func Address(text string) (addr string, ok bool) {
	m := url.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// An Instance is a process that has been started, and waited for since. Its methods may
// be called concurrently.
type Instance struct {
	*exec.Cmd

	// Stdin is a pipe to the process; nil if the command had a standard input.
	Stdin io.WriteCloser

	// Errors reads what the process prints on standard error, from the first byte. A read
	// waits for more until the process has ended. It is empty if the command had a
	// standard error. Unlike the methods, Errors has one reader at a time.
	Errors *bufio.Reader

	said transcript
	done chan struct{}
	err  error // of Wait; set before done is closed
}

// Start starts cmd, which need not be wsrun, with pipes for its standard input and
// standard error unless it has them. It starts a goroutine that waits for the process;
// Wait and Stop wait for that goroutine.
func Start(cmd *exec.Cmd) (*Instance, error) {
	i := &Instance{Cmd: cmd, done: make(chan struct{})}
	i.said.changed = make(chan struct{})
	i.Errors = bufio.NewReader(&reader{t: &i.said})
	if cmd.Stdin == nil {
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		i.Stdin = stdin
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &i.said
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %q: %w", cmd.Path, err)
	}
	go func() {
		i.err = cmd.Wait()
		i.said.end()
		close(i.done)
	}()
	return i, nil
}

// Address waits until wsrun has announced its URL, and returns its HOST:PORT. The error
// is that of ctx, or says what wsrun printed before it ended.
func (i *Instance) Address(ctx context.Context) (string, error) {
	for {
		text, changed, ended := i.said.look()
		if addr, ok := Address(text); ok {
			return addr, nil
		}
		if ended {
			return "", fmt.Errorf("%s ended without a URL; it said %q", filepath.Base(i.Path), text)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// Said returns what the process has printed on standard error so far.
func (i *Instance) Said() string {
	text, _, _ := i.said.look()
	return text
}

// Done is closed when the process has ended and what it printed has been read.
func (i *Instance) Done() <-chan struct{} { return i.done }

// Wait waits for that, and returns what [exec.Cmd.Wait] did. Unlike that method, it may
// be called more than once.
func (i *Instance) Wait() error {
	<-i.done
	return i.err
}

// Stop kills the process, which does nothing if it has ended, and waits.
func (i *Instance) Stop() {
	i.Process.Kill()
	i.Wait()
}

// A transcript is what a process has printed.
type transcript struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{} // closed, and replaced, when there is more
	ended   bool
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	close(t.changed)
	t.changed = make(chan struct{})
	return len(p), nil
}

func (t *transcript) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	close(t.changed)
}

func (t *transcript) look() (text string, changed <-chan struct{}, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text), t.changed, t.ended
}

// A reader reads a transcript from its beginning.
type reader struct {
	t    *transcript
	from int
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		r.t.mu.Lock()
		n, changed, ended := copy(p, r.t.text[r.from:]), r.t.changed, r.t.ended
		r.t.mu.Unlock()
		if r.from += n; n > 0 || len(p) == 0 {
			return n, nil
		}
		if ended {
			return 0, io.EOF
		}
		<-changed
	}
}
