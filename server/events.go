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
	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
)

// An eventsResponse sends a stream as server-sent events (HTML standard, section 9.2).
type eventsResponse struct {
	*liveResponse
	hub    *hub.Hub
	cursor *broadcaster.Cursor
	head   []byte // of the last line's event; its memory is used again
}

// serveEvents responds with server-sent events: one per line, whose id is the offset just
// after the line; a reset event wherever lines are missing; and finally an exit event.
// The client resumes with a Last-Event-ID header.
func serveEvents(w taskResponse, session *hub.Session, h *hub.Hub, q *query) hub.Outcome {
	e := beginEvents(w, session, h, q)
	if e == nil {
		return hub.Left
	}
	defer e.Flush()
	for {
		item, out := e.next(e.cursor)
		if out != hub.Following {
			e.text.Finish()
			return out
		}
		e.item(item)
	}
}

// beginEvents begins the response. It returns nil if that is all of it. It isn't a part of serveEvents because
// its large frame would stay on the stack of each client that waits for output.
func beginEvents(w taskResponse, session *hub.Session, h *hub.Hub, q *query) *eventsResponse {
	stream, p := h.Stream, q.Position
	number, epoch, _ := strings.Cut(session.Request().Header.Get("Last-Event-ID"), "-")
	if offset, err := strconv.ParseInt(number, 10, 64); err == nil && offset >= 0 {
		p.Offset, p.Epoch = offset, cmp.Or(epoch, p.Epoch, stream.Epoch())
	}
	s := h.BeginLines(p)
	start := s.Start
	if st := stream.Stats(); start.Resumed && st.Exit != nil && start.Offset == st.End {
		// The client has everything. After a 200, EventSource would reconnect; a 204 makes
		// it stop (HTML standard, section 9.2.3).
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", eventsType)
	session.Begin(hub.FormEvents)
	e := &eventsResponse{liveResponse: newLiveResponse(w, session), hub: h, cursor: s.Cursor}
	e.idle, e.lines = ":\n\n", true // a comment
	if p.Offset >= 0 && !start.Resumed {
		if p.Epoch == stream.Epoch() {
			start.SkippedBytes = max(start.Offset-p.Offset, 0)
		}
		e.reset(start)
	}
	e.begin(start.Size.Cols, s.Point)
	e.Flush() // send the header, so that the client knows that it is connected
	return e
}

// begin prepares for the output from a start point, on a terminal of that many columns.
func (e *eventsResponse) begin(cols int, at hub.StartPoint) {
	e.text = plaintext.Resolver{Cols: cols, Emit: e.line}
	moveTo(&e.text, at)
}

// line writes the event of a line. It makes no garbage, since there may be many lines and viewers.
func (e *eventsResponse) line(line []byte, offset int64, _ bool) {
	e.head = append(e.appendID(append(e.head[:0], "id: "...), offset), "\ndata: "...)
	e.Write(e.head)
	e.Write(line)
	e.WriteString("\n\n")
}

// item writes an item of the cursor.
func (e *eventsResponse) item(item broadcaster.Item) {
	if item.Data != nil {
		e.text.Write(item.Data)
	} else {
		e.interrupt(item)
	}
}

// interrupt writes an item that isn't output. Its large frame must not be on the stack while a client takes
// its time for output.
func (e *eventsResponse) interrupt(item broadcaster.Item) {
	switch event := item.Event.(type) {
	case broadcaster.Resize:
		e.text.Cols = event.Cols
	case hub.FileEvent:
		e.text.Finish()
		e.event("file", e.text.Offset, protocol.Encode(hub.NewFileEvent(event)))
	case broadcaster.Exit:
		e.text.Finish()
		e.event("exit", e.hub.Stream.Stats().End, protocol.Encode(hub.NewExitEvent(event)))
	}
	if item.Reset != nil {
		e.text.Finish()
		e.reset(*item.Reset)
		cursor, at := e.hub.BeginNear(item.Reset.Offset)
		if cursor != nil { // otherwise e.cursor reports the next gap
			e.cursor = cursor
		}
		e.begin(item.Reset.Size.Cols, at)
	}
}

func (e *eventsResponse) reset(start broadcaster.Start) {
	e.event("reset", start.Offset, hub.ResetData(start))
}

func (e *eventsResponse) event(name string, offset int64, data ...[]byte) {
	fmt.Fprintf(e, "event: %s\nid: %s\ndata: %s\n\n", name, e.appendID(nil, offset), bytes.Join(data, nil))
}

// appendID appends the event id of an offset. An ephemeral stream's id includes its epoch, because
// the next run at this URL may have started by the time that the client reconnects.
func (e *eventsResponse) appendID(b []byte, offset int64) []byte {
	b = strconv.AppendInt(b, offset, 10)
	if e.hub.Ephemeral {
		b = append(append(b, '-'), e.hub.Stream.Epoch()...)
	}
	return b
}
