package server

import (
	"bytes"
	"fmt"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
	"wsrun/internal/search"
)

// serveText responds with the backlog and, with tail=1, the output that follows, in the format that the query has.
// The outcome is [hub.Missed] if raw bytes are missing, which no text in the response could report.
func serveText(w taskResponse, session *hub.Session, h *hub.Hub, q *query) hub.Outcome {
	l, out := beginText(w, session, h, q)
	defer l.Flush()
	if out != hub.Following {
		return out
	}
	return l.run()
}

// beginText begins the response. If that is all, or the client is gone, it returns the response's outcome. Its
// large frame must not stay on the stacks of those who wait for output.
func beginText(w taskResponse, session *hub.Session, h *hub.Hub, q *query) (*liveResponse, hub.Outcome) {
	w.Header().Set("Content-Type", q.contentType())
	session.Begin(hub.FormText)
	w.task.rest() // the history may have to be read
	l := newLiveResponse(w, session, h, q)
	l.lines = q.follow && q.format != "raw"
	if q.follow {
		l.Flush() // send the header, for which net/http needs a large stack, from here
	}
	switch l.setSink(q); {
	case q.format == "raw":
		return l, l.beginAt(h.BeginBytes(q.backlog(), q.filters()), q)
	case q.ownFilter() || q.filters():
		return l, l.beginAt(h.BeginLines(q.backlog()), q)
	}
	s, t := h.BeginText(q.Position, q.follow), l.sink.(*textSink)
	if out := t.before(s.Before, s.Start.Size.Cols); out != hub.Following {
		return l, out
	}
	if s.Rows != nil && s.Until == 0 {
		t.Write(s.Rows)
		return l, hub.Ended
	}
	out := l.beginAt(s, q)
	if t.rows = s.Rows; s.Rows != nil {
		l.end = s.Until
	}
	return l, out
}

// setSink sets the sink for the format that the query has.
func (l *liveResponse) setSink(q *query) {
	switch q.format {
	case "raw":
		l.sink = &rawSink{l}
	case "ndjson":
		r := &recordSink{lineSink: lineSink{liveResponse: l, numbered: true, clock: newClock(l.hub, l.task)}, open: !q.follow}
		l.sink, l.text.Emit, l.idle = r, r.emit, "\n"
	default:
		t := &textSink{lineSink: lineSink{liveResponse: l, clock: newClock(l.hub, l.task)}, times: q.times, groups: q.context > 0}
		t.numbered = t.times || t.groups
		l.sink, l.text.Emit = t, t.emit
	}
}

// A rawSink writes the exact bytes.
type rawSink struct{ *liveResponse }

func (rawSink) begin(*hub.TextStart)                 {}
func (rawSink) missed(broadcaster.Start) hub.Outcome { return hub.Missed }
func (rawSink) event(any)                            {}
func (rawSink) pause()                               {}
func (rawSink) finish()                              {}
func (r rawSink) output(p []byte, v search.Verdict) {
	if v != search.Dropped {
		r.Write(p)
	}
}

// A lineSink turns output into lines of text.
type lineSink struct {
	*liveResponse
	verdict  search.Verdict // on the output that is being resolved
	within   bool           // the last line written has no newline yet
	numbered bool           // line and start are needed
	line     int64          // number of the line that is being resolved
	start    int64          // offset of its first byte
	at       int64          // offset of the next output
	clock    clock
}

// begin implements [sink].
func (s *lineSink) begin(at *hub.TextStart) {
	s.text.Cols = at.Start.Size.Cols
	moveTo(&s.text, at.Point)
	s.line, s.start, s.at = at.Line, at.Point.Offset, at.Point.Offset
}

// output implements [sink].
func (s *lineSink) output(p []byte, v search.Verdict) {
	s.verdict = v
	if !s.numbered {
		s.text.Write(p)
		return
	}
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		whole := n > 0
		if !whole {
			n = len(p)
		}
		s.text.Write(p[:n])
		s.at += int64(n)
		if p = p[n:]; whole {
			s.line++
			s.start = s.at
		}
	}
}

// A textSink writes plain text.
type textSink struct {
	lineSink
	times  bool   // each line begins with its time
	groups bool   // a line -- separates lines that aren't next to each other
	last   int64  // number of the last line written; 0 before the first
	rows   []byte // what comes last
}

// emit writes a line, or part of one if it isn't whole.
func (t *textSink) emit(line []byte, _ int64, whole bool) {
	if t.verdict == search.Dropped {
		return
	}
	if !t.within && t.numbered {
		t.prefix()
	}
	t.Write(line)
	if t.within = !whole; whole {
		t.WriteByte('\n')
	}
}

// prefix writes what comes before a line's text.
func (t *textSink) prefix() {
	if t.groups && t.last > 0 && t.line > t.last+1 {
		t.WriteString("--\n")
	}
	t.last = t.line
	if !t.times {
		return
	}
	if ms, ok := t.clock.at(t.start); ok {
		t.Write(time.UnixMilli(ms).UTC().AppendFormat(t.AvailableBuffer(), timeLayout))
	} else {
		t.WriteByte('-')
	}
	t.WriteByte(' ')
}

// timeLayout is that of times in text: RFC 3339 in UTC, with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// before writes the lines from before a full-screen program. The outcome isn't [hub.Following] if the
// client is gone.
func (t *textSink) before(lines hub.Lines, cols int) hub.Outcome {
	t.text.Cols, t.verdict = cols, search.Wanted
	moveTo(&t.text, lines.StartPoint)
	missing := lines.Newlines
	for piece := range lines.Pieces(smallItem) {
		if out := t.proceed(); out != hub.Following {
			return out
		}
		missing -= int64(bytes.Count(piece, []byte("\n")))
		t.text.Write(piece)
	}
	t.endLine()
	if missing > 0 {
		t.skipped(missing)
	}
	return hub.Following
}

// skipped writes that lines are missing.
func (t *textSink) skipped(lines int64) { fmt.Fprintf(t, "[wsrun: %d lines skipped]\n", lines) }

// missed implements [sink].
func (t *textSink) missed(start broadcaster.Start) hub.Outcome {
	switch t.endLine(); {
	case start.SkippedLines > 0:
		t.skipped(start.SkippedLines)
	case start.SkippedBytes > 0:
		fmt.Fprintf(t, "[wsrun: %d bytes skipped]\n", start.SkippedBytes)
	default:
		t.WriteString("[wsrun: output skipped]\n")
	}
	return hub.Following
}

// pause implements [sink].
func (t *textSink) pause() {}

// event implements [sink], for those events that plain text can show.
func (t *textSink) event(event any) {
	if e, ok := event.(hub.FileEvent); ok {
		t.endLine()
		t.start = t.at // of the line that begins next
		fmt.Fprintf(t, "[wsrun: %s]\n", e)
	}
}

// finish implements [sink].
func (t *textSink) finish() {
	if t.rows == nil {
		t.text.Finish()
		return
	}
	t.endLine()
	t.Write(t.rows)
}

// endLine ends an unfinished line, so that nothing is appended to it.
func (t *textSink) endLine() {
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
