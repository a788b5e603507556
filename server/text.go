package server

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
)

// quietTime is how long a stream of server-sent events may be silent: proxies
// close what seems idle.
const quietTime = 25 * time.Second

// serveText answers with the backlog, and with tail=1 with what follows: as text
// or, with format=raw, as the exact bytes.
func (s *Server) serveText(w http.ResponseWriter, visit *hub.Visit, f *hub.Feed, q query) {
	r := visit.R
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	end := f.Stream.Stats().End
	visit.Begin(hub.KindText)
	cursor, start := f.Stream.Resume(q.Epoch, q.Offset, q.Lines)
	out := newTrickle(w, visit)
	within := false // a line
	text := plaintext.Resolver{Cols: start.Size.Cols, Emit: func(line []byte, _ int64, whole bool) {
		out.Write(line)
		if within = !whole; whole {
			out.WriteByte('\n')
		}
	}}
	finish := func() { // what is not to be joined by what follows
		text.Finish()
		if within {
			out.WriteByte('\n')
			within = false
		}
	}
	at := start.Offset
	if q.format != "raw" {
		before, rows := f.Late.Rows(start, q.Lines, q.follow)
		moveTo(&text, before.Place)
		text.Write(before.Text)
		finish()
		if rows != nil {
			out.Write(rows)
			out.Flush()
			return
		}
		cursor = startNear(&text, f, cursor, at)
		at = text.Offset
	}
	for q.follow || at < end {
		item, err := s.next(visit, cursor, out)
		if err != nil {
			break
		}
		switch {
		case item.Reset != nil && q.format == "raw":
			// The bytes are no longer exact, and nothing in them may say so: let the
			// client see a broken answer.
			visit.Err = hub.ErrMissed
			panic(http.ErrAbortHandler)
		case item.Reset != nil:
			finish()
			at = item.Reset.Offset
			fmt.Fprintf(out, "[wsrun: %d lines skipped]\n", item.Reset.SkippedLines)
		case q.format == "raw":
			out.Write(item.Data)
		default:
			text.Write(item.Data)
		}
		switch e := item.Event.(type) {
		case broadcaster.Resize:
			text.Cols = e.Cols
		case hub.FileEvent:
			if q.format == "raw" {
				break
			}
			finish()
			fmt.Fprintf(out, "[wsrun: %s]\n", e)
		}
		at += int64(len(item.Data))
	}
	text.Finish()
	out.Flush()
}

// serveEvents answers with server-sent events: one for each line, whose id is the
// offset behind it, one of type reset where lines are missing, and at last one of
// type exit.
func (s *Server) serveEvents(w http.ResponseWriter, visit *hub.Visit, f *hub.Feed, q query) {
	r, stream := visit.R, f.Stream
	number, epoch, _ := strings.Cut(r.Header.Get("Last-Event-ID"), "-")
	if offset, err := strconv.ParseInt(number, 10, 64); err == nil && offset >= 0 {
		q.Offset, q.Epoch = offset, cmp.Or(epoch, q.Epoch, stream.Epoch())
	}
	cursor, start := stream.Resume(q.Epoch, q.Offset, q.Lines)
	if st := stream.Stats(); start.Resumed && st.Exit != nil && start.Offset == st.End {
		// It has everything. Anything else would make an EventSource come again.
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	visit.Begin(hub.KindEvents)
	out := newTrickle(w, visit)
	out.idle = ":\n\n" // a comment
	id := func(offset int64) string {
		if f.LF { // a file's runs are many: each ends when nobody watches
			return fmt.Sprintf("%d-%s", offset, stream.Epoch())
		}
		return strconv.FormatInt(offset, 10)
	}
	event := func(name string, offset int64, data ...[]byte) {
		fmt.Fprintf(out, "event: %s\nid: %s\ndata: %s\n\n", name, id(offset), bytes.Join(data, nil))
	}
	var text plaintext.Resolver
	begin := func(start broadcaster.Start) {
		text = plaintext.Resolver{Cols: start.Size.Cols, Emit: func(line []byte, offset int64, _ bool) {
			fmt.Fprintf(out, "id: %s\ndata: %s\n\n", id(offset), line)
		}}
		cursor = startNear(&text, f, cursor, start.Offset)
	}
	if q.Offset >= 0 && !start.Resumed {
		if q.Epoch == stream.Epoch() {
			start.SkippedBytes = max(start.Offset-q.Offset, 0)
		}
		event("reset", start.Offset, protocol.WithPrelude(hub.NewResetEvent(start), hub.NoPrelude)...)
	}
	begin(start)
	out.Flush() // the head, so that the client knows it is connected
	for {
		item, err := s.next(visit, cursor, out)
		if err != nil {
			break
		}
		switch e := item.Event.(type) {
		case broadcaster.Resize:
			text.Cols = e.Cols
		case hub.FileEvent:
			text.Finish()
			event("file", text.Offset, protocol.Encode(hub.NewFileEvent(e)))
		case broadcaster.Exit:
			text.Finish()
			event("exit", stream.Stats().End, protocol.Encode(hub.NewExitEvent(e)))
		}
		if item.Reset != nil {
			text.Finish()
			event("reset", item.Reset.Offset, protocol.WithPrelude(hub.NewResetEvent(*item.Reset), hub.NoPrelude)...)
			begin(*item.Reset)
		}
		text.Write(item.Data)
	}
	text.Finish()
	out.Flush()
}

// startNear returns a cursor near from, where c is, that begins outside of control
// sequences and characters, if it can, and prepares the resolver for what follows there.
func startNear(v *plaintext.Resolver, f *hub.Feed, c *broadcaster.Cursor, from int64) *broadcaster.Cursor {
	at := f.Late.Near(from)
	if at.Offset != from {
		if moved, _, ok := f.Stream.At(at.Offset); ok {
			c = moved
		}
	}
	moveTo(v, at)
	return c
}

// moveTo prepares the resolver for what follows at a place.
func moveTo(v *plaintext.Resolver, at hub.Place) { v.Begin(at.Offset, at.State.Alternate(), at.Head) }

// next returns what follows at the cursor. Before it waits it sends what was
// written. It tells the visit of an error.
func (s *Server) next(visit *hub.Visit, c *broadcaster.Cursor, out *trickle) (item broadcaster.Item, err error) {
	defer func() { visit.Err = err }()
	ctx := visit.R.Context()
	for {
		item, wait, err := c.Poll()
		if err != nil {
			return item, err
		}
		if item.Reset != nil {
			visit.Resets.Add(1)
		}
		if _, err := out.Write(nil); err != nil { // of an earlier write
			return item, err
		}
		if wait != nil {
			out.Flush()
		}
		if out.err != nil || wait == nil {
			return item, out.err
		}
		quiet := time.NewTimer(quietTime)
		select {
		case <-wait:
		case <-quiet.C:
			out.WriteString(out.idle)
		case <-ctx.Done():
			err = ctx.Err()
		}
		quiet.Stop()
		if err != nil {
			return item, err
		}
	}
}

// A trickle is an answer that is written as it comes.
type trickle struct {
	*bufio.Writer
	http *http.ResponseController
	idle string // what to send when there is nothing to send
	err  error  // the first one
}

func newTrickle(w http.ResponseWriter, visit *hub.Visit) *trickle {
	return &trickle{Writer: bufio.NewWriter(visit.Counting(w)), http: http.NewResponseController(w)}
}

// Flush sends what was written to the client.
func (t *trickle) Flush() {
	if t.err == nil {
		t.err = errors.Join(t.Writer.Flush(), t.http.Flush())
	}
}
