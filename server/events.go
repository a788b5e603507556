package server

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/protocol"
	"wsrun/internal/search"
)

// serveEvents responds with server-sent events (HTML standard, section 9.2): one per line, whose id is the offset
// just after the line; a reset event wherever lines are missing; and finally an exit event. The client resumes
// with a Last-Event-ID header.
func serveEvents(w taskResponse, session *hub.Session, h *hub.Hub, q *query) hub.Outcome {
	l, out := beginEvents(w, session, h, q)
	if l == nil {
		return out
	}
	defer l.Flush()
	if out != hub.Following {
		return out
	}
	return l.run()
}

// resume makes a query that of a client that has had events up to the one with an id. It reports false if the client
// has all that it has asked for.
func (q *query) resume(h *hub.Hub, t *task, id string) bool {
	number, epoch, _ := strings.Cut(id, "-")
	offset, err := strconv.ParseInt(number, 10, 64)
	if err != nil || offset < 0 {
		return true
	}
	next := h.Locate(hub.Position{Lines: -1, Offset: offset, Epoch: cmp.Or(epoch, q.epoch, h.LastRun().Epoch)})
	if q.limit() >= 0 {
		t.rest()
		from, to := h.Seek(q.Position), h.Seek(next)
		if had := to.At - from.At; q.matcher == nil || had <= 0 {
			q.left = max(q.limit()-max(had, 0), 0)
		} else {
			lines := int64(0)
			q.hits(h, t, hit{from.At, from.Offset}, next.Offset, func(int64) { lines++ })
			q.left = max(q.limit()-lines, 0)
		}
		q.limited = true
	}
	q.Position = next
	return !(q.limited && q.left == 0)
}

// beginEvents begins the response. If that is all, or the client is gone, it returns the response's outcome. It isn't
// a part of serveEvents because its large frame would stay on the stack of each client that waits for output.
func beginEvents(w taskResponse, session *hub.Session, h *hub.Hub, q *query) (*liveResponse, hub.Outcome) {
	w.task.rest() // the history may have to be read
	stream, p := h.Stream, q.backlog()
	s := h.BeginLines(p)
	if st := stream.Stats(); p.Offset >= 0 && s.Start.Resumed && st.Exit != nil && s.Start.Offset == st.End {
		// The client has everything. After a 200, EventSource would reconnect; a 204 makes
		// it stop (HTML standard, section 9.2.3).
		w.WriteHeader(http.StatusNoContent)
		return nil, hub.Left
	}
	w.Header().Set("Content-Type", eventsType)
	session.Begin(hub.FormEvents)
	l := newLiveResponse(w, session, h, q)
	e := newEventSink(l)
	l.idle, l.lines = ":\n\n", true // a comment
	if p.Offset >= 0 && !s.Start.Resumed && p.Epoch != stream.Epoch() {
		e.missed(s.Start) // another run
	}
	out := l.beginAt(s, q)
	l.Flush() // send the header, so that the client knows that it is connected
	return l, out
}

// An eventSink writes server-sent events.
type eventSink struct {
	*liveResponse
	head    []byte // of the last line's event; its memory is used again
	verdict search.Verdict
}

// newEventSink returns an eventSink, and makes it the response's.
func newEventSink(l *liveResponse) *eventSink {
	e := &eventSink{liveResponse: l}
	l.sink, l.text.Emit = e, e.line
	return e
}

// begin implements [sink].
func (e *eventSink) begin(at *hub.TextStart) {
	e.text.Cols = at.Start.Size.Cols
	moveTo(&e.text, at.Point)
}

// output implements [sink].
func (e *eventSink) output(p []byte, v search.Verdict) {
	e.verdict = v
	e.text.Write(p)
}

// line writes the event of a line. It makes no garbage, since there may be many lines and viewers.
func (e *eventSink) line(line []byte, offset int64, _ bool) {
	if e.verdict == search.Dropped {
		return
	}
	e.head = append(e.appendID(append(e.head[:0], "id: "...), offset), "\ndata: "...)
	e.Write(e.head)
	e.Write(line)
	e.WriteString("\n\n")
}

// event implements [sink].
func (e *eventSink) event(event any) {
	e.text.Finish()
	switch event := event.(type) {
	case hub.FileEvent:
		e.write("file", e.text.Offset, protocol.Encode(hub.NewFileEvent(event)))
	case broadcaster.Exit:
		e.write("exit", e.hub.Stream.Stats().End, protocol.Encode(hub.NewExitEvent(event)))
	}
}

// missed implements [sink].
func (e *eventSink) missed(start broadcaster.Start) hub.Outcome {
	e.text.Finish()
	e.write("reset", start.Offset, hub.ResetData(start, e.hub.RunAt(start.Offset)))
	return hub.Following
}

// pause implements [sink].
func (e *eventSink) pause() {}

// finish implements [sink].
func (e *eventSink) finish() { e.text.Finish() }

// write writes an event with a name.
func (e *eventSink) write(name string, offset int64, data ...[]byte) {
	fmt.Fprintf(e, "event: %s\nid: %s\ndata: %s\n\n", name, e.appendID(nil, offset), bytes.Join(data, nil))
}

// appendID appends the event id of an offset. An ephemeral stream's id includes its epoch, because
// the next run at this URL may have started by the time that the client reconnects.
func (e *eventSink) appendID(b []byte, offset int64) []byte {
	run := e.hub.RunAt(offset)
	b = strconv.AppendInt(b, run.Offset(offset), 10)
	if e.hub.Ephemeral {
		b = append(append(b, '-'), run.Epoch...)
	}
	return b
}
