package server

import (
	"fmt"
	"net/http"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
)

// A textResponse shows a stream as text or, raw, as the exact bytes.
type textResponse struct {
	*liveResponse
	raw    bool
	text   plaintext.Resolver
	within bool // the last line written has no end
}

// serveText answers with the backlog, and with tail=1 with what follows. The outcome is Missed
// if the bytes are no longer exact: nothing in them may say so.
func serveText(w http.ResponseWriter, session *hub.Session, h *hub.Hub, q query) hub.Outcome {
	w.Header().Set("Content-Type", textType)
	end := h.Stream.Stats().End
	session.Begin(hub.FormText)
	t := &textResponse{liveResponse: newLiveResponse(w, session), raw: q.format == "raw"}
	defer t.Flush()
	cursor, at := t.begin(h, q)
	if cursor == nil {
		return hub.Ended
	}
	defer t.text.Finish()
	for q.follow || at < end {
		item, out := t.next(cursor)
		if out != hub.Following {
			return out
		}
		if item.Reset != nil {
			if at = item.Reset.Offset; t.raw {
				return hub.Missed
			}
		}
		at += int64(len(item.Data))
		t.item(item)
	}
	return hub.Ended
}

// begin returns where the response begins. It writes the lines before a program that fills
// the screen; if nothing but its screen is to be shown, it writes that, too, and returns nil.
func (t *textResponse) begin(h *hub.Hub, q query) (cursor *broadcaster.Cursor, offset int64) {
	if t.raw {
		cursor, start := h.Stream.Resume(q.Epoch, q.Offset, q.Lines)
		return cursor, start.Offset
	}
	s := h.BeginText(q.Position, q.follow)
	t.text = plaintext.Resolver{Cols: s.Start.Size.Cols, Emit: t.line}
	moveTo(&t.text, s.Before.StartPoint)
	t.text.Write(s.Before.Text)
	t.finish()
	if s.Rows != nil {
		t.Write(s.Rows)
		return nil, 0
	}
	moveTo(&t.text, s.Point)
	return s.Cursor, t.text.Offset
}

// item writes what the cursor gave.
func (t *textResponse) item(item broadcaster.Item) {
	switch {
	case t.raw:
		t.Write(item.Data)
	case item.Reset != nil:
		t.finish()
		fmt.Fprintf(t, "[wsrun: %d lines skipped]\n", item.Reset.SkippedLines)
	default:
		t.text.Write(item.Data)
		t.event(item.Event)
	}
}

// event writes an event, if text shows it.
func (t *textResponse) event(event any) {
	switch e := event.(type) {
	case broadcaster.Resize:
		t.text.Cols = e.Cols
	case hub.FileEvent:
		t.finish()
		fmt.Fprintf(t, "[wsrun: %s]\n", e)
	}
}

// line writes a line, or a piece of one.
func (t *textResponse) line(line []byte, _ int64, whole bool) {
	t.Write(line)
	if t.within = !whole; whole {
		t.WriteByte('\n')
	}
}

// finish ends a line that what follows must not be joined to.
func (t *textResponse) finish() {
	t.text.Finish()
	if t.within {
		t.WriteByte('\n')
		t.within = false
	}
}

// moveTo prepares the resolver for what follows at a place.
func moveTo(v *plaintext.Resolver, at hub.StartPoint) {
	v.Begin(at.Offset, at.State.Alternate(), at.Head)
}
