//go:build unix

package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"wsrun/broadcaster"
	"wsrun/ptyproc"
)

// A recorder is a sink that keeps output and events, in order. Consecutive output is one item.
type recorder struct {
	mu    sync.Mutex
	items []any
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.last().(string); ok {
		r.items[len(r.items)-1] = last + string(p)
	} else {
		r.items = append(r.items, string(p))
	}
	return len(p), nil
}

func (r *recorder) Emit(event any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, event)
}

// last returns the last item, or nil. mu must be held.
func (r *recorder) last() any {
	if len(r.items) == 0 {
		return nil
	}
	return r.items[len(r.items)-1]
}

// TestCommandFillsSink checks that a command fills any sink, with its size before the first
// byte, and reports how it ended.
func TestCommandFillsSink(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		script string
		output string
		status ptyproc.Status
	}{
		{"stty size </dev/tty; exit 3", "24 80\r\n", ptyproc.Status{Code: 3}},
		{"echo last; kill -KILL $$", "last\r\n", ptyproc.Status{Code: 137, Signal: "SIGKILL"}},
	} {
		c := &command{path: sh, args: []string{"sh", "-c", tt.script}, asked: size{80, 24}, quiet: true}
		sink := &recorder{}
		starts := 0
		c.prepare(sink)
		end := c.fill(sink, nil, func() { starts++ })
		if want := (ending{state: endFinished, status: tt.status}); end != want || starts != 1 {
			t.Errorf("%s: %+v after %d starts, want %+v", tt.script, end, starts, want)
		}
		if want := []any{broadcaster.Resize{Cols: 80, Rows: 24}, tt.output}; !slices.Equal(sink.items, want) {
			t.Errorf("%s: the sink has %q, want %q", tt.script, sink.items, want)
		}
	}
}

func TestCommandNotStarted(t *testing.T) {
	c := &command{path: "/no/such", args: []string{"such"}, asked: size{80, 24}, quiet: true}
	sink := &recorder{}
	end := c.fill(sink, nil, func() { t.Error("it started") })
	var f *failure
	if end.state != endNotStarted || !errors.As(end.err, &f) || f.code != exitNotFound || len(sink.items) > 0 {
		t.Errorf("%+v, and the sink has %q", end, sink.items)
	}
}

// TestNewlineSink checks that viewers of a pipe get \r\n, however the output is cut into pieces,
// and events unchanged.
func TestNewlineSink(t *testing.T) {
	r := &recorder{}
	out := newTee(newlineSink{r}, true)
	var all strings.Builder
	for i := range 3 {
		n, err := fmt.Fprintf(out, "%d\n\r\n", i)
		if n != 4 || err != nil {
			t.Errorf("wrote %d bytes, %v", n, err)
		}
		fmt.Fprintf(&all, "%d\r\n\r\r\n", i)
	}
	out.Emit(broadcaster.Exit{Code: 1})
	if want := []any{all.String(), broadcaster.Exit{Code: 1}}; !slices.Equal(r.items, want) {
		t.Errorf("%q, want %q", r.items, want)
	}
}
