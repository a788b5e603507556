package server

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
)

// A textResponse sends a stream as plain text or, if raw, as the exact bytes.
type textResponse struct {
	*liveResponse
	raw    bool
	within bool // the last line written has no newline yet
}

// serveText responds with the backlog and, with tail=1, the output that follows. The outcome
// is [hub.Missed] if raw bytes are missing, which no text in the response could report.
func serveText(w taskResponse, session *hub.Session, h *hub.Hub, q *query) hub.Outcome {
	w.Header().Set("Content-Type", textType)
	end := int64(math.MaxInt64)
	if !q.follow {
		end = h.Stream.Stats().End
	}
	session.Begin(hub.FormText)
	t := &textResponse{liveResponse: newLiveResponse(w, session), raw: q.format == "raw"}
	t.lines = q.follow && !t.raw
	defer t.Flush()
	cursor, at, out := t.begin(h, q)
	if cursor == nil {
		return out
	}
	return t.copy(cursor, at, end)
}

// copy writes the output from the cursor, which is at the offset at, up to the offset end.
func (t *textResponse) copy(cursor *broadcaster.Cursor, at, end int64) hub.Outcome {
	defer t.text.Finish()
	for at < end {
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

// begin returns the cursor at which the response starts, and its offset. If a full-screen
// program is running, begin first writes the lines before it. If the response ends with the
// program's screen, begin writes that as well. If that is all, or the client is gone, begin returns
// no cursor, but the response's outcome.
func (t *textResponse) begin(h *hub.Hub, q *query) (cursor *broadcaster.Cursor, offset int64, out hub.Outcome) {
	if t.raw {
		cursor, start := h.Stream.Resume(q.Epoch, q.Offset, q.Lines)
		return cursor, start.Offset, hub.Following
	}
	s := h.BeginText(q.Position, q.follow)
	t.text = plaintext.Resolver{Cols: s.Start.Size.Cols, Emit: t.line}
	if out := t.before(h, s.Before); out != hub.Following {
		return nil, 0, out
	}
	if s.Rows != nil {
		t.Write(s.Rows)
		return nil, 0, hub.Ended
	}
	moveTo(&t.text, s.Point)
	return s.Cursor, t.text.Offset, hub.Following
}

// before writes the lines from before a full-screen program. The outcome isn't [hub.Following] if the
// client is gone.
func (t *textResponse) before(h *hub.Hub, lines hub.Lines) hub.Outcome {
	moveTo(&t.text, lines.StartPoint)
	past, skipped := false, 0
	for _, part := range lines.Text {
		for piece := range slices.Chunk(part, smallItem) {
			if out := t.proceed(); out != hub.Following {
				return out
			}
			if past = past || h.IsPast(lines); past {
				skipped += bytes.Count(piece, []byte("\n"))
			} else {
				t.text.Write(piece)
			}
		}
	}
	t.finish()
	if past {
		t.skipped(int64(skipped))
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
