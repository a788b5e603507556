package server

import (
	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/search"
)

// filters reports whether the server itself leaves out lines of the stream.
func (q *query) filters() bool { return q.matcher != nil || q.limit() >= 0 || q.ahead }

// countsBack reports whether the query asks for the last lines that match.
func (q *query) countsBack() bool {
	return q.matcher != nil && !q.places() && q.Offset < 0 && q.Lines >= 0 && q.Lines != allLines
}

// backlog returns the position at which the server must begin to look at lines.
func (q *query) backlog() hub.Position {
	p := q.Position
	if q.matcher != nil && !q.places() && q.Offset < 0 && q.Lines != allLines {
		p.Lines = -1
	}
	return p
}

// filterOptions returns which lines of a stream the query asks for.
func (q *query) filterOptions(h *hub.Hub, t *task) search.FilterOptions {
	o := search.FilterOptions{Matcher: q.matcher, Invert: q.invert, Context: q.context, Skip: q.skip, Most: q.limit(), Room: t.gate.lines}
	switch {
	case q.ahead && q.Line > 0:
		o.From = func(line, _ int64) bool { return line >= q.Line }
	case q.ahead:
		times := newClock(h, t)
		o.From = func(_, offset int64) bool {
			ms, ok := times.at(offset)
			return ok && ms >= q.Time
		}
	}
	return o
}

// countBack makes a query for the last lines that match one for those from a line on. It reports false if the client
// is gone.
func (q *query) countBack(h *hub.Hub, t *task) bool {
	if !q.countsBack() {
		return true
	}
	st := h.Stream.Stats()
	q.counted, q.end = true, st.End
	if q.Line = st.Line + st.Lines; q.Lines == 0 { // the next one to begin
		q.Lines = -1
		return true
	}
	t.rest() // the history may have to be read
	first := oldest(h)
	if q.Lines > maxLast {
		return q.countAll(h, t, first, st.End)
	}
	for size := int64(countBytes); ; size *= 4 {
		from, all := first, true
		if begin := st.End - size; begin > first.offset {
			if at, ok := h.LineFrom(begin); ok && at.Offset < st.End {
				from, all = hit{at.Line, at.Offset}, false
			}
		}
		var lines []int64 // the last ones that match, with those that may be their context
		kept := q.Lines + maxContext
		ok := q.hits(h, t, from, st.End, func(line int64) {
			if len(lines) >= 2*kept {
				lines = append(lines[:0], lines[len(lines)-kept:]...)
			}
			lines = append(lines, line)
		})
		if !ok {
			return false
		}
		if q.lastOf(lines, from.line); all || q.Line > from.line {
			break
		}
	}
	q.Lines = -1
	return true
}

const (
	// countBytes is how much output at the end is searched first for the last lines that match, and countRead how
	// much is read at a time, in bytes.
	countBytes = 256 << 10
	countRead  = 16 << 10
	// maxLast is for how many lines that match their numbers are kept.
	maxLast = 64 << 10
)

// countAll is countBack for so many lines that their numbers are not kept.
func (q *query) countAll(h *hub.Hub, t *task, first hit, to int64) bool {
	n := int64(0)
	ok := q.hits(h, t, first, to, func(int64) { n++ })
	q.Line, q.skip, q.Lines = first.line, max(n-int64(q.Lines), 0), -1
	return ok
}

// hits calls found with the number of each line that matches between a line and an offset. It reports false if the
// client is gone.
func (q *query) hits(h *hub.Hub, t *task, from hit, to int64, found func(line int64)) bool {
	search := lineSearch{hub: h, task: t, query: q, buffer: make([]byte, countRead)}
	return search.section(from, to, func(h hit) { found(h.line) }) == nil
}

// lastOf makes the query begin at the last of the lines that match, or at the context of the first of them, but not before
// the line from.
func (q *query) lastOf(lines []int64, from int64) {
	before := len(lines) - q.Lines
	if q.Line, q.skip = from, 0; before < 0 {
		return
	}
	q.Line = max(lines[before]-int64(q.context), from)
	for i := before; i > 0 && lines[i-1] >= q.Line; i-- {
		q.skip++
	}
}

// findMissing reports whether output is missing before a start, and sets how much.
func (q *query) findMissing(h *hub.Hub, start *broadcaster.Start) bool {
	switch {
	case q.Offset >= 0:
		start.SkippedBytes = start.Offset - q.Offset
		return !start.Resumed && q.Epoch == h.Stream.Epoch() && start.SkippedBytes > 0
	case q.cut:
		return true // it isn't known how much
	case q.counted || q.ahead || q.Line == 0 || start.Line <= q.Line:
		return false
	case q.Line == 1:
		start.SkippedBytes = start.Offset
	}
	start.SkippedLines = start.Line - q.Line
	return true
}

// A turnFilter is a WebSocket viewer's filter, which takes turns with the others. It has none while the viewer is
// sent something.
type turnFilter struct {
	*search.Filter
	task *task
}

// newTurnFilter returns what makes the filter for a query; nil if it asks for all output.
func (s *Server) newTurnFilter(q *query, h *hub.Hub) hub.NewFilter {
	if !q.filters() {
		return nil
	}
	return func(offset, line int64, alternate bool, pass func(p []byte, wanted bool)) hub.Filter {
		t := &task{gate: s.gate}
		o := q.filterOptions(h, t)
		o.Within = h.EndsWithin(offset)
		return turnFilter{o.Begin(offset, line, alternate, func(p []byte, v search.Verdict) {
			if t.rest(); v != search.Omitted { // which the line numbers show
				pass(p, v != search.Dropped)
			}
		}), t}
	}
}

// Write implements [hub.Filter].
func (f turnFilter) Write(p []byte) (int, error) {
	f.task.inTurns(p, matchBytes, f.Size(), func(piece []byte) { f.Filter.Write(piece) })
	return len(p), nil
}

// Finish implements [hub.Filter].
func (f turnFilter) Finish() {
	f.task.work()
	defer f.task.rest()
	f.Filter.Finish()
}
