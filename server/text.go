package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"wsrun/broadcaster"
)

// quietTime is how long a stream of server-sent events may be silent: proxies
// close what seems idle.
const quietTime = 25 * time.Second

// serveText answers with the backlog, and with tail=1 with what follows: as text
// or, with format=raw, as the exact bytes.
func (s *Server) serveText(w http.ResponseWriter, r *http.Request, q query) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "sandbox")
	if r.Method == http.MethodHead {
		return
	}
	end := s.o.Stream.Stats().End
	cursor, start := s.o.Stream.Resume(q.epoch, q.offset, q.lines)
	out := newTrickle(w)
	within := false // a line
	text := resolver{emit: func(line []byte, _ int64, whole bool) {
		out.Write(line)
		if within = !whole; whole {
			out.WriteByte('\n')
		}
	}}
	at := start.Offset
	for q.follow || at < end {
		item, err := s.next(r.Context(), cursor, out)
		if err != nil {
			break
		}
		switch {
		case item.Reset != nil && q.format == "raw":
			// The bytes are no longer exact, and nothing in them may say so: let the
			// client see a broken answer.
			panic(http.ErrAbortHandler)
		case item.Reset != nil:
			text.finish()
			at = item.Reset.Offset
			if within {
				out.WriteByte('\n')
			}
			fmt.Fprintf(out, "[wsrun: %d lines skipped]\n", item.Reset.SkippedLines)
		case q.format == "raw":
			out.Write(item.Data)
		default:
			text.write(item.Data)
		}
		at += int64(len(item.Data))
	}
	text.finish()
	out.Flush()
}

// serveEvents answers with server-sent events: one for each line, whose id is the
// offset behind it, and one of type exit with the exit event.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, q query) {
	stream := s.o.Stream
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if at, err := strconv.ParseInt(id, 10, 64); err == nil && at >= 0 {
			q.offset = at
			if q.epoch == "" {
				q.epoch = stream.Epoch()
			}
		}
	}
	cursor, start := stream.Resume(q.epoch, q.offset, q.lines)
	if st := stream.Stats(); start.Resumed && st.Exit != nil && start.Offset == st.End {
		// It has everything. Anything else would make an EventSource come again.
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	out := newTrickle(w)
	out.idle = ":\n\n" // a comment
	var text resolver
	event := func(name string, e any) { fmt.Fprintf(out, "event: %s\ndata: %s\n\n", name, encode(e)) }
	begin := func(start broadcaster.Start) {
		text = resolver{offset: start.Offset, emit: func(line []byte, offset int64, _ bool) {
			fmt.Fprintf(out, "id: %d\ndata: %s\n\n", offset, line)
		}}
	}
	begin(start)
	out.Flush() // the head, so that the client knows it is connected
	for {
		item, err := s.next(r.Context(), cursor, out)
		if err != nil {
			break
		}
		switch e := item.Event.(type) {
		case broadcaster.Exit:
			text.finish()
			event("exit", newExitEvent(e))
		}
		if item.Reset != nil {
			event("reset", newResetEvent(*item.Reset))
			begin(*item.Reset)
		}
		text.write(item.Data)
	}
	text.finish()
	out.Flush()
}

// next returns what follows at the cursor. Before it waits it sends what was
// written.
func (s *Server) next(ctx context.Context, c *broadcaster.Cursor, out *trickle) (broadcaster.Item, error) {
	for {
		item, wait, err := c.Poll()
		if err != nil {
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

// A trickle writes an answer for as long as the client takes some of it at least
// every stallTime.
type trickle struct {
	*bufio.Writer
	http *http.ResponseController
	idle string // what to send when there is nothing to send
	err  error  // the first one
}

func newTrickle(w http.ResponseWriter) *trickle {
	t := &trickle{http: http.NewResponseController(w)}
	t.Writer = bufio.NewWriter(pieces{t, w})
	return t
}

// Flush sends what was written to the client.
func (t *trickle) Flush() {
	t.Writer.Flush()
	t.within(t.http.Flush)
}

// within calls send, which may take stallTime.
func (t *trickle) within(send func() error) {
	if t.err == nil {
		t.http.SetWriteDeadline(time.Now().Add(stallTime))
		t.err = send()
		t.http.SetWriteDeadline(time.Time{}) // the connection may get another request
	}
}

// pieces writes in steps, each of which has its own time.
type pieces struct {
	t *trickle
	w io.Writer
}

func (p pieces) Write(b []byte) (int, error) {
	const step = 16 << 10
	for rest := b; len(rest) > 0 && p.t.err == nil; {
		n := min(step, len(rest))
		p.t.within(func() error {
			_, err := p.w.Write(rest[:n])
			return err
		})
		rest = rest[n:]
	}
	if p.t.err != nil {
		return 0, p.t.err
	}
	return len(b), nil
}
