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
	hub    *hub.Hub
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
	cursor, start := h.Stream.Resume(q.Epoch, q.Offset, q.Lines)
	t := &textResponse{liveResponse: newLiveResponse(w, session), hub: h, raw: q.format == "raw"}
	t.text = plaintext.Resolver{Cols: start.Size.Cols, Emit: t.line}
	defer t.Flush()
	at := start.Offset
	if !t.raw {
		if rows := t.begin(start, q); rows != nil {
			t.Write(rows)
			return hub.Ended
		}
		cursor = startNear(&t.text, h, cursor, at)
		at = t.text.Offset
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

// begin writes the lines before a program that fills the screen, and returns the screen's
// rows if nothing else is to be shown.
func (t *textResponse) begin(start broadcaster.Start, q query) (rows []byte) {
	before, rows := t.hub.Screen(start, q.Lines, q.follow)
	moveTo(&t.text, before.Place)
	t.text.Write(before.Text)
	t.finish()
	return rows
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

// startNear returns a cursor near from, where c is, that begins outside of control
// sequences and characters, if it can, and prepares the resolver for what follows there.
func startNear(v *plaintext.Resolver, h *hub.Hub, c *broadcaster.Cursor, from int64) *broadcaster.Cursor {
	at := h.Near(from)
	if at.Offset != from {
		if moved, _, ok := h.Stream.At(at.Offset); ok {
			c = moved
		}
	}
	moveTo(v, at)
	return c
}

// moveTo prepares the resolver for what follows at a place.
func moveTo(v *plaintext.Resolver, at hub.Place) { v.Begin(at.Offset, at.State.Alternate(), at.Head) }
