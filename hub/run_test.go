package hub

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A position of a run is one of the stream, unless the run has ended before it.
func TestLocate(t *testing.T) {
	f := serve(t, broadcaster.Options{Epoch: "first"})
	for _, epoch := range []string{"second", "third"} {
		f.Write([]byte("one\ntwo\n"))
		f.Flush()
		st := f.Stats()
		f.hub.BeginRun(Run{Epoch: epoch, Begin: history.Place{Offset: st.End, Line: st.Line + st.Lines}, From: st.End, Exact: true})
	}
	for _, c := range []struct {
		epoch        string
		offset, want int64
	}{
		{"first", 0, 0}, {"first", 8, 8}, {"first", 9, -1}, {"second", 0, 8}, {"second", 8, 16}, {"second", 9, -1},
		{"third", 0, 16}, {"third", 1000, 1016}, {"fourth", 0, -1},
	} {
		got := f.hub.Locate(Position{Epoch: c.epoch, Offset: c.offset})
		if found := got.Epoch == f.Epoch(); found != (c.want >= 0) || found && got.Offset != c.want {
			t.Errorf("%s, offset %d: %+v, want %d", c.epoch, c.offset, got, c.want)
		}
	}
	if got := f.hub.Locate(Position{Offset: -1, Line: 3}); got.Line != 7 {
		t.Errorf("line 3 of the last run is line %d", got.Line)
	}
	for offset, want := range map[int64]string{0: "first", 7: "first", 8: "second", 15: "second", 16: "third"} {
		if got := f.hub.RunAt(offset).Epoch; got != want {
			t.Errorf("the run at %d is the %s", offset, got)
		}
	}
	for range 2 * maxRuns {
		f.hub.BeginRun(Run{Epoch: "later"})
	}
	if n := len(f.hub.allRuns()); n != maxRuns || f.hub.RunAt(0).Exact || f.hub.Locate(Position{}).Epoch != "" {
		t.Errorf("%d runs are remembered; the first is %+v", n, f.hub.RunAt(0))
	}
}

// Who joins before the lines are counted learns their numbers then, and no later.
func TestNumbers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := serveHub(t, l, Options{Stream: broadcaster.New(broadcaster.Options{}), Unnumbered: true})
	select {
	case <-f.hub.Numbered():
		t.Error("the lines are counted")
	default:
	}
	f.Write([]byte("one\ntwo\n"))
	f.Flush()
	v, hello := f.join("")
	if hello.Exact || hello.Line != 1 {
		t.Errorf("line %d, exact: %v", hello.Line, hello.Exact)
	}
	f.SetLine(101)
	f.hub.SetExact(true)
	<-f.hub.Numbered()
	late, hello := f.join("?n=1")
	if !hello.Exact || hello.Line != 102 {
		t.Errorf("line %d, exact: %v", hello.Line, hello.Exact)
	}
	f.Emit(Numbers{})
	f.Write([]byte("three\n"))
	f.end(0)
	if got := said(t, v); got != "one\ntwo\n numbers 103 three\n exit" {
		t.Errorf("who joined before: %q", got)
	}
	if got := said(t, late); got != "two\n three\n exit" {
		t.Errorf("who joined later: %q", got)
	}
}

// said returns what a viewer gets up to the end.
func said(t *testing.T, v *client.Viewer) string {
	t.Helper()
	var all []string
	for {
		m, err := v.Next(t.Context())
		switch e := m.Event.(type) {
		case nil:
			if err != nil {
				return strings.Join(all, " ")
			}
			all = append(all, string(m.Payload))
		case protocol.NumbersEvent:
			all = append(all, fmt.Sprintf("numbers %d", e.Line))
		case protocol.ExitEvent:
			all = append(all, "exit")
		}
	}
}
