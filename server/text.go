package server

import (
	"bytes"
	"fmt"
	"math"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
)

// A textResponse sends a stream as plain text or, if raw, as the exact bytes.
type textResponse struct {
	*liveResponse
	cursor *broadcaster.Cursor
	end    int64 // offset at which the response ends
	raw    bool
	within bool // the last line written has no newline yet
}

// serveText responds with the backlog and, with tail=1, the output that follows. The outcome
// is [hub.Missed] if raw bytes are missing, which no text in the response could report.
func serveText(w taskResponse, session *hub.Session, h *hub.Hub, q *query) hub.Outcome {
	t, out := beginText(w, session, h, q)
	defer t.Flush()
	if t.cursor == nil {
		return out
	}
	defer t.text.Finish()
	for t.cursor.Offset() < t.end {
		item, out := t.next(t.cursor)
		if out != hub.Following {
			return out
		}
		if item.Reset != nil && t.raw {
			return hub.Missed
		}
		t.item(item)
	}
	return hub.Ended
}

// beginText begins the response, as [textResponse.begin] does. Its large frame must not stay on the stacks of
// those who wait for output.
func beginText(w taskResponse, session *hub.Session, h *hub.Hub, q *query) (*textResponse, hub.Outcome) {
	w.Header().Set("Content-Type", textType)
	t := &textResponse{end: math.MaxInt64, raw: q.format == "raw"}
	if !q.follow {
		t.end = h.Stream.Stats().End
	}
	session.Begin(hub.FormText)
	t.liveResponse = newLiveResponse(w, session)
	t.lines = q.follow && !t.raw
	if q.follow {
		t.Flush() // send the header, for which net/http needs a large stack, from here
	}
	return t, t.begin(h, q)
}

// begin sets the cursor to where the response starts. If a full-screen program is running, begin first
// writes the lines before it. If the response ends with the program's screen, begin writes that as well.
// If that is all, or the client is gone, begin sets no cursor, but returns the response's outcome.
func (t *textResponse) begin(h *hub.Hub, q *query) hub.Outcome {
	if t.raw {
		t.cursor = h.Resume(q.Position)
		return hub.Following
	}
	s := h.BeginText(q.Position, q.follow)
	t.text = plaintext.Resolver{Cols: s.Start.Size.Cols, Emit: t.line}
	if out := t.before(s.Before); out != hub.Following {
		return out
	}
	if s.Rows != nil {
		t.Write(s.Rows)
		return hub.Ended
	}
	moveTo(&t.text, s.Point)
	t.cursor = s.Cursor
	return hub.Following
}

// before writes the lines from before a full-screen program. The outcome isn't [hub.Following] if the
// client is gone.
func (t *textResponse) before(lines hub.Lines) hub.Outcome {
	moveTo(&t.text, lines.StartPoint)
	missing := lines.Newlines
	for piece := range lines.Pieces(smallItem) {
		if out := t.proceed(); out != hub.Following {
			return out
		}
		missing -= int64(bytes.Count(piece, []byte("\n")))
		t.text.Write(piece)
	}
	t.finish()
	if missing > 0 {
		t.skipped(missing)
	}
	return hub.Following
}

// skipped writes that lines are missing.
func (t *textResponse) skipped(lines int64) { fmt.Fprintf(t, "[wsrun: %d lines skipped]\n", lines) }

// item writes an item of the cursor.
func (t *textResponse) item(item broadcaster.Item) {
	switch {
	case t.raw:
		t.Write(item.Data)
	case item.Reset != nil:
		t.finish()
		t.skipped(item.Reset.SkippedLines)
	default:
		t.text.Write(item.Data)
		t.event(item.Event)
	}
}

// event writes an event that plain text can show.
func (t *textResponse) event(event any) {
	switch e := event.(type) {
	case broadcaster.Resize:
		t.text.Cols = e.Cols
	case hub.FileEvent:
		t.finish()
		fmt.Fprintf(t, "[wsrun: %s]\n", e)
	}
}

// line writes a line, or part of one if it isn't whole.
func (t *textResponse) line(line []byte, _ int64, whole bool) {
	t.Write(line)
	if t.within = !whole; whole {
		t.WriteByte('\n')
	}
}

// finish ends an unfinished line, so that nothing is appended to it.
func (t *textResponse) finish() {
	t.text.Finish()
	if t.within {
		t.WriteByte('\n')
		t.within = false
	}
}

// moveTo prepares the resolver for the output from a start point.
func moveTo(v *plaintext.Resolver, at hub.StartPoint) {
	v.Begin(at.Offset, at.State.Alternate(), at.Head)
}
