//go:build linux

package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsrun/internal/protocol"
)

const (
	// maxDelay is how late a line may reach an undisturbed viewer, and how long most
	// conditions may take to come true.
	maxDelay = 10 * time.Second
	// maxWriteTime is how long a write of the command may take. The machine may be busy
	// with other processes, but the write never waits for a viewer.
	maxWriteTime = 2 * time.Second
)

// A canary is a wsrun whose command writes numbered lines, with one undisturbed viewer of each
// kind, from the first line to the last.
type canary struct {
	*instance
	file    string             // the command's report
	viewers map[string]*oracle // by kind
	ends    chan error         // receives how each viewer ended
}

// A load says what a canary's command writes: lines per second, and their average length in
// bytes.
type load struct{ rate, size int }

var plainLoad = load{500, 100}

// newCanary starts a canary, with flags for wsrun.
func newCanary(t *testing.T, l load, flags ...string) *canary {
	t.Helper()
	return watchCanary(begin(t, canaryOf(t, l, flags...)))
}

// canaryOf returns a command, not yet started, that runs wsrun with a canary's command.
func canaryOf(t *testing.T, l load, flags ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(flags, self, "canary", filepath.Join(t.TempDir(), "report"), fmt.Sprint(l.rate), fmt.Sprint(l.size))
	return wsrun(args...)
}

// watchCanary makes a canary of r, which runs a command of canaryOf: it starts the viewers, each
// in a goroutine that finish waits for.
func watchCanary(r *instance) *canary {
	r.t.Helper()
	c := &canary{instance: r, file: r.Args[len(r.Args)-3], viewers: map[string]*oracle{}, ends: make(chan error, 4)}
	view := func(kind string, watch func(*oracle) error) {
		o := &oracle{next: 1, since: time.Now()}
		c.viewers[kind] = o
		go func() {
			if err := watch(o); err != nil {
				c.ends <- fmt.Errorf("the %s viewer: %w", kind, err)
				return
			}
			c.ends <- nil
		}()
	}
	view("wsrun.v1", func(o *oracle) error { return c.watchV1(o) })
	view("plain", func(o *oracle) error { return c.watchPlain(o) })
	view("SSE", func(o *oracle) error { return c.watchEvents(o) })
	view("text", func(o *oracle) error { return c.watchText(o) })
	return c
}

// watchV1 feeds o with the output of a wsrun.v1 viewer, until its end.
func (c *canary) watchV1(o *oracle) error {
	s, err := open(c.dial(), c.addr, "", "wsrun.v1")
	if err != nil {
		return err
	}
	defer s.Close()
	exited := false
	for {
		m, err := s.nextV1()
		if err == closeError(protocol.CloseEnded) && exited {
			return nil
		} else if err != nil {
			return err
		}
		switch e := m.Event.(type) {
		case nil:
			o.write(m.Payload)
		case protocol.ResetEvent:
			return fmt.Errorf("reset at line %d", e.Line)
		case protocol.ExitEvent:
			if exited = true; e.Code != canaryStatus {
				return fmt.Errorf("exit %d", e.Code)
			}
		}
	}
}

// watchPlain feeds o with the output of a plain WebSocket viewer, until its end.
func (c *canary) watchPlain(o *oracle) error {
	s, err := open(c.dial(), c.addr, "", "")
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		_, payload, err := s.next()
		if err == closeError(protocol.CloseEnded) {
			return nil
		} else if err != nil {
			return err
		}
		o.write(payload)
	}
}

// watchEvents feeds o with the lines of server-sent events, until their end.
func (c *canary) watchEvents(o *oracle) error {
	req, _ := http.NewRequest("GET", "http://"+c.addr+"/", nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for exited := false; ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF && exited {
			return nil
		} else if err != nil {
			return err
		}
		if line == "event: reset\n" {
			return errors.New("reset")
		}
		exited = exited || line == "event: exit\n"
		if data, ok := strings.CutPrefix(line, "data: "); ok && !exited {
			o.write([]byte(data))
		}
	}
}

// watchText feeds o with the text form, until its end.
func (c *canary) watchText(o *oracle) error {
	resp, err := http.Get("http://" + c.addr + "/?tail=1")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(writerFunc(o.write), resp.Body)
	return err
}

// A writerFunc is a writer that never fails.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// forget starts a new measurement of delays and returns the worst delay so far.
func (c *canary) forget() (worst time.Duration) {
	for _, o := range c.viewers {
		worst = max(worst, o.forget())
	}
	return worst
}

// finish ends the command, waits for the viewers, and checks that neither the command nor they
// were affected.
func (c *canary) finish() {
	c.t.Helper()
	c.Stdin.Close()
	worst := time.Duration(0)
	for range c.viewers {
		select {
		case err := <-c.ends:
			if err != nil {
				c.t.Error(err)
			}
		case <-time.After(2 * maxDelay):
			c.t.Fatal("a viewer of the canary did not end")
		}
	}
	if code := c.end(); code != canaryStatus {
		c.t.Errorf("status %d, want the command's, %d; stderr %q", code, canaryStatus, c.Said())
	}
	text, err := os.ReadFile(c.file)
	var r report
	if err := errors.Join(err, json.Unmarshal(text, &r)); err != nil {
		c.t.Fatalf("the command's report: %v", err)
	}
	if r.Blocked > maxWriteTime {
		c.t.Errorf("a write of the command took %v", r.Blocked)
	}
	for kind, o := range c.viewers {
		last, delay, err := o.seen()
		if err != nil || last != r.Lines {
			c.t.Errorf("the canary's %s viewer saw %d lines of %d: %v", kind, last, r.Lines, err)
		}
		worst = max(worst, delay)
	}
	if worst > maxDelay {
		c.t.Errorf("a line came %v late", worst)
	}
	c.t.Attr("promise", "meanwhile the command and other viewers notice nothing")
	c.t.Attr("figure", fmt.Sprintf("%d viewers got %d lines each, once; worst delay %v, longest write %v", len(c.viewers),
		r.Lines, worst.Round(time.Millisecond), r.Blocked.Round(time.Millisecond)))
}

// dial connects to wsrun.
func (r *instance) dial() net.Conn {
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Error(err)
		return failedConn{}
	}
	return conn
}

// A failedConn is a connection that could not be established.
type failedConn struct{ net.Conn }

func (failedConn) Read([]byte) (int, error)  { return 0, syscall.ENOTCONN }
func (failedConn) Write([]byte) (int, error) { return 0, syscall.ENOTCONN }
func (failedConn) Close() error              { return syscall.ENOTCONN }

// dialFor connects, with a deadline for the dial and for everything that follows.
func dialFor(addr string, d time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, d)
	if err == nil {
		conn.SetDeadline(time.Now().Add(d))
	}
	return conn, err
}
