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
	text   plaintext.Resolver
}

// serveEvents responds with server-sent events: one per line, whose id is the offset just
// after the line; a reset event wherever lines are missing; and finally an exit event.
// The client resumes with a Last-Event-ID header.
func serveEvents(w taskResponse, session *hub.Session, h *hub.Hub, q query) hub.Outcome {
	stream := h.Stream
	number, epoch, _ := strings.Cut(session.Request().Header.Get("Last-Event-ID"), "-")
	if offset, err := strconv.ParseInt(number, 10, 64); err == nil && offset >= 0 {
		q.Offset, q.Epoch = offset, cmp.Or(epoch, q.Epoch, stream.Epoch())
	}
	s := h.BeginLines(q.Position)
	start := s.Start
	if st := stream.Stats(); start.Resumed && st.Exit != nil && start.Offset == st.End {
		// The client has everything. After a 200, EventSource would reconnect; a 204 makes
		// it stop (HTML standard, section 9.2.3).
		w.WriteHeader(http.StatusNoContent)
		return hub.Left
	}
	w.Header().Set("Content-Type", eventsType)
	session.Begin(hub.FormEvents)
	e := &eventsResponse{liveResponse: newLiveResponse(w, session), hub: h, cursor: s.Cursor}
	e.idle, e.lines = ":\n\n", true // a comment
	if q.Offset >= 0 && !start.Resumed {
		if q.Epoch == stream.Epoch() {
			start.SkippedBytes = max(start.Offset-q.Offset, 0)
		}
		e.reset(start)
	}
	e.begin(start.Size.Cols, s.Point)
	e.Flush() // send the header, so that the client knows that it is connected
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

// begin prepares for the output from a start point, on a terminal of that many columns.
func (e *eventsResponse) begin(cols int, at hub.StartPoint) {
	e.text = plaintext.Resolver{Cols: cols, Emit: func(line []byte, offset int64, _ bool) {
		// Not by fmt, which would copy the line.
		e.WriteString("id: " + e.id(offset) + "\ndata: ")
		e.Write(line)
		e.WriteString("\n\n")
	}}
	moveTo(&e.text, at)
}

// item writes an item of the cursor.
func (e *eventsResponse) item(item broadcaster.Item) {
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
	e.text.Write(item.Data)
}

func (e *eventsResponse) reset(start broadcaster.Start) {
	e.event("reset", start.Offset, hub.ResetData(start))
}

func (e *eventsResponse) event(name string, offset int64, data ...[]byte) {
	fmt.Fprintf(e, "event: %s\nid: %s\ndata: %s\n\n", name, e.id(offset), bytes.Join(data, nil))
}

// id returns the event id of an offset. An ephemeral stream's id includes its epoch, because
// the next run at this URL may have started by the time that the client reconnects.
func (e *eventsResponse) id(offset int64) string {
	if e.hub.Ephemeral {
		return fmt.Sprintf("%d-%s", offset, e.hub.Stream.Epoch())
	}
	return strconv.FormatInt(offset, 10)
}
