package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/test/wait"
)

// followOne follows 0.log, which has so many lines, and returns its name, too.
func followOne(t *testing.T, lines int) (l *Logs, h *hub.Hub, name string) {
	t.Helper()
	l, dir := newLogs(t, 1)
	name = filepath.Join(filepath.FromSlash(dir), "0.log")
	write(t, name, os.O_TRUNC, 1, lines)
	f, err := l.Open(t.Context(), dir+"/0.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, leave, err := f.Follow(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(leave)
	<-h.Numbered()
	return l, h, name
}

// write writes lines to a file.
func write(t *testing.T, name string, flags, first, last int) {
	t.Helper()
	var text strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&text, "line %d\n", n)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text.String()); err != nil {
		t.Fatal(err)
	}
}

// read returns what follows at a cursor up to the last line, or to a reset.
func read(t *testing.T, c *broadcaster.Cursor, last string) (text string, reset *broadcaster.Start) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	for !strings.HasSuffix(text, last) {
		item, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("%v after %d bytes", err, len(text))
		}
		if item.Reset != nil {
			return text, item.Reset
		}
		text += string(item.Data)
	}
	return text, nil
}

// A reader that begins long before what is in memory gets the whole file, and what is added meanwhile.
func TestPastHasTheWholeFile(t *testing.T) {
	_, h, name := followOne(t, 20_000)
	if st := h.Stream.Stats(); st.Line+st.Lines != 20_001 || !h.LastRun().Exact {
		t.Errorf("line %d and %d others are in memory", st.Line, st.Lines)
	}
	c, start, ok := h.Stream.Past(0)
	if !ok || start.Line != 1 {
		t.Fatalf("%+v, %v", start, ok)
	}
	write(t, name, os.O_APPEND, 20_001, 20_100)
	text, reset := read(t, c, "line 20100\n")
	if want, _ := os.ReadFile(name); text != string(want) || reset != nil || c.Line() != 20_101 {
		t.Errorf("%d bytes instead of %d, at line %d; %+v", len(text), len(want), c.Line(), reset)
	}
}

// Nobody gets other content for what a file had, wherever the reader is when the file is truncated; and the index keeps up.
func TestPastOfATruncatedFile(t *testing.T) {
	_, h, name := followOne(t, 20_000)
	end := h.Stream.Stats().End
	var readers []*broadcaster.Cursor
	for _, offset := range []int64{0, 1, pieceBytes - 1, pieceBytes, end - 20_000, end - 10_000} {
		c, _, ok := h.Stream.Past(offset)
		if !ok {
			t.Fatalf("nothing is at %d", offset)
		}
		readers = append(readers, c)
	}
	write(t, name, os.O_TRUNC, 30_001, 39_999)
	wait.For(t, wait.Patience, "the file isn't read again", func() bool {
		return h.LastRun().From == end && h.Stream.Stats().Start > end+10_000
	})
	for _, c := range readers {
		at := c.Offset()
		text, reset := read(t, c, "line 39999\n")
		if reset == nil || text != "" || reset.Offset < end {
			t.Errorf("at %d: %.30q, %+v", at, text, reset)
		}
	}
	c, start, ok := h.Stream.Past(end)
	if !ok || h.LastRun().Line(start.Line) != 1 {
		t.Fatalf("the new content begins at line %d, %v", start.Line, ok)
	}
	text, reset := read(t, c, "line 39999\n")
	if want, _ := os.ReadFile(name); text != string(want) || reset != nil {
		t.Errorf("%d bytes instead of %d, %+v", len(text), len(want), reset)
	}
}

// Content that was replaced is gone at once, even before whoever follows the file has noticed.
func TestPastNeverLies(t *testing.T) {
	_, h, name := followOne(t, 20_000)
	write(t, name, 0, 50_000, 70_000) // over the old content
	p := make([]byte, 100)
	if n, err := h.History.ReadAt(p, 0); err == nil && h.LastRun().From == 0 {
		t.Errorf("%q", p[:n])
	}
	if at, err := h.History.Line(5000); err == nil && h.LastRun().From == 0 {
		t.Errorf("line 5,000 is at %+v", at)
	}
}

// The index follows a file that grows, so that nobody has to wait for it.
func TestIndexKeepsUp(t *testing.T) {
	l, h, name := followOne(t, 10)
	write(t, name, os.O_APPEND, 11, 300_000)
	wait.For(t, 2*fillPause+wait.Patience, "the index is behind", func() bool {
		found := l.indexes.get(filepath.ToSlash(name))
		if found == nil {
			return false
		}
		found.mu.Lock()
		defer found.mu.Unlock()
		return found.end.offset >= h.Stream.Stats().Oldest && h.Stream.Stats().Oldest > 0
	})
}

// A file that takes the place of another has its own numbers.
func TestPastOfAnotherFile(t *testing.T) {
	_, h, name := followOne(t, 10)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	write(t, name+".new", 0, 101, 103)
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	wait.For(t, 10*time.Second, "the new file isn't read", func() bool { return h.LastRun().From > 0 && h.Stream.Stats().End > h.LastRun().From })
	run := h.LastRun()
	c, start, ok := h.Stream.Past(run.From)
	if !ok || run.Line(start.Line) != 1 || run.Offset(start.Offset) != 0 {
		t.Fatalf("%+v", start)
	}
	if text, _ := read(t, c, "line 103\n"); text != "line 101\nline 102\nline 103\n" {
		t.Errorf("%q", text)
	}
}
