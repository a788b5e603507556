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
	// latest is how late a line may come to a viewer that nothing is done to.
	latest = 10 * time.Second
	// longestWrite is how long a write of the command's may take: it has a
	// machine's worth of other processes beside it, but waits for no viewer.
	longestWrite = 2 * time.Second
)

// A canary is a wsrun that runs the command of numbered lines, and one viewer of
// each kind, from its first line to its last.
type canary struct {
	*running
	file    string // of the report
	viewers map[string]*oracle
	ends    chan error // of the viewers
}

// A song is how a canary's command writes.
type song struct{ rate, size int }

var plainSong = song{500, 100}

// newCanary starts a canary with wsrun's flags.
func newCanary(t *testing.T, s song, flags ...string) *canary {
	t.Helper()
	return listenTo(begin(t, canaryOf(t, s, flags...)))
}

// canaryOf returns a wsrun, not yet started, with a canary's command.
func canaryOf(t *testing.T, s song, flags ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(flags, self, "canary", filepath.Join(t.TempDir(), "report"), fmt.Sprint(s.rate), fmt.Sprint(s.size))
	return wsrun(args...)
}

// listenTo makes r, of which the command is canaryOf's, a canary.
func listenTo(r *running) *canary {
	r.t.Helper()
	c := &canary{running: r, file: r.Args[len(r.Args)-3], viewers: map[string]*oracle{}, ends: make(chan error, 4)}
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

func (c *canary) watchV1(o *oracle) error {
	s, err := open(c.dial(), c.addr, "", "wsrun.v1")
	if err != nil {
		return err
	}
	defer s.Close()
	exited := false
	for {
		m, err := s.nextV1()
		if err == closed(protocol.CloseEnded) && exited {
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

func (c *canary) watchPlain(o *oracle) error {
	s, err := open(c.dial(), c.addr, "", "")
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		_, payload, err := s.next()
		if err == closed(1000) {
			return nil
		} else if err != nil {
			return err
		}
		o.write(payload)
	}
}

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

func (c *canary) watchText(o *oracle) error {
	resp, err := http.Get("http://" + c.addr + "/?tail=1")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(writerFunc(o.write), resp.Body)
	return err
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// forget begins a new measurement of delays and returns the worst so far.
func (c *canary) forget() (worst time.Duration) {
	for _, o := range c.viewers {
		worst = max(worst, o.forget())
	}
	return worst
}

// finish ends the command, and checks that nobody has noticed anything.
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
		case <-time.After(2 * latest):
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
	if r.Blocked > longestWrite {
		c.t.Errorf("a write of the command's took %v", r.Blocked)
	}
	for kind, o := range c.viewers {
		last, delay, err := o.seen()
		if err != nil || last != r.Lines {
			c.t.Errorf("the canary's %s viewer saw %d lines of %d: %v", kind, last, r.Lines, err)
		}
		worst = max(worst, delay)
	}
	if worst > latest {
		c.t.Errorf("a line came %v late", worst)
	}
	c.t.Attr("promise", "meanwhile the command and other viewers notice nothing")
	c.t.Attr("figure", fmt.Sprintf("%d viewers got %d lines each, once; worst delay %v, longest write %v", len(c.viewers), r.Lines, worst.Round(time.Millisecond), r.Blocked.Round(time.Millisecond)))
}

// dial connects to wsrun.
func (r *running) dial() net.Conn {
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Error(err)
		return failed{}
	}
	return conn
}

// A failed is a connection that there is not.
type failed struct{ net.Conn }

func (failed) Read([]byte) (int, error)  { return 0, syscall.ENOTCONN }
func (failed) Write([]byte) (int, error) { return 0, syscall.ENOTCONN }
func (failed) Close() error              { return syscall.ENOTCONN }

// dialFor connects, with a deadline for all that follows.
func dialFor(addr string, d time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, d)
	if err == nil {
		conn.SetDeadline(time.Now().Add(d))
	}
	return conn, err
}
