package server

import (
	"bufio"
	"errors"
	"math"
	"net/http"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
	"wsrun/internal/search"
)

// quietTime is how long a response may be silent before it sends a keep-alive. Proxies close
// connections that seem idle: nginx, for example, after 60 s (proxy_read_timeout).
const quietTime = 25 * time.Second

// smallItem is how much output, in bytes, is turned into text without a turn. A long line takes up to
// 2 MiB while that happens, which must not be needed for many viewers at a time.
const smallItem = 4 << 10

// filteredBytes is how much output a filter gets at a time. It holds a copy while the client takes its time.
const filteredBytes = 4 << 10

// liveBuffer is how much of a response is written at a time, in bytes. net/http has a buffer of that size
// below, which it then doesn't use.
const liveBuffer = 2 << 10

// A sink writes a stream in a form. It gets all output, since what a filter leaves out may change what later
// output means.
type sink interface {
	// begin says where the next output is.
	begin(at *hub.TextStart)
	output(p []byte, v search.Verdict)
	// event writes an event other than a size.
	event(event any)
	// missed writes that output is missing before start. The outcome isn't [hub.Following] if the form can't say that.
	missed(start broadcaster.Start) hub.Outcome
	// pause is called before a keep-alive is written, in the middle of the output.
	pause()
	// finish ends the output.
	finish()
}

// A liveResponse is an HTTP response that is written as output arrives.
type liveResponse struct {
	*bufio.Writer
	sink
	hub     *hub.Hub
	cursor  *broadcaster.Cursor
	end     int64          // offset at which the response ends
	filter  *search.Filter // nil if it wants all output
	cut     bool           // the filter has left out what the form can't say
	session *hub.Session
	task    *task
	text    plaintext.Resolver // not used for raw bytes
	live    bool               // the backlog is sent: only large items take turns from here on
	lines   bool               // an unfinished line is sent when it ends
	http    *http.ResponseController
	quiet   *time.Timer
	idle    string // keep-alive text; may be empty
	err     error  // first error of Flush
}

func newLiveResponse(w taskResponse, session *hub.Session, h *hub.Hub, q *query) *liveResponse {
	l := &liveResponse{
		Writer: bufio.NewWriterSize(session.Counting(w), liveBuffer), session: session, task: w.task,
		http: http.NewResponseController(w), quiet: time.NewTimer(quietTime), hub: h, end: math.MaxInt64,
	}
	return l
}

// beginAt makes the response begin at a place, and its filter, if the query needs one.
func (l *liveResponse) beginAt(s *hub.TextStart, q *query) hub.Outcome {
	l.cursor = s.Cursor
	switch {
	case q.follow || q.form != asText:
	case q.counted:
		l.end = q.end
	default:
		l.end = s.Start.End
	}
	if q.findMissing(l.hub, &s.Start) {
		if out := l.missed(s.Start); out != hub.Following {
			return out
		}
	}
	if q.filters() {
		o := q.filterOptions(l.hub, l.task)
		o.Within = l.hub.EndsWithin(s.Point.Offset)
		l.filter = o.Begin(s.Point.Offset, s.Line, s.Point.State.Alternate(), l.pass)
	}
	l.begin(s)
	return hub.Following
}

// pass takes output from the filter.
func (l *liveResponse) pass(p []byte, v search.Verdict) {
	if v == search.Omitted {
		lines, offset, line := l.filter.Omitted()
		l.cut = l.missed(broadcaster.Start{Offset: offset, Line: line, SkippedLines: int64(lines)}) != hub.Following || l.cut
		return
	}
	l.output(p, v)
}

// run sends what follows at the cursor.
func (l *liveResponse) run() hub.Outcome {
	defer l.close()
	for l.cursor.Offset() < l.end && !(l.filter != nil && l.filter.Done()) {
		item, out := l.next()
		if over := l.cursor.Offset() - l.end; over > 0 && over < int64(len(item.Data)) {
			item.Data = item.Data[:int64(len(item.Data))-over] // more has arrived
		}
		if out == hub.Following {
			out = l.item(item)
		}
		if out != hub.Following {
			l.finishFilter()
			l.finish()
			return out
		}
	}
	l.finishFilter()
	l.finish()
	return hub.Ended
}

// close frees what the response holds.
func (l *liveResponse) close() {
	if l.filter != nil {
		l.filter.Close()
	}
}

// finishFilter makes the filter pass on what it holds.
func (l *liveResponse) finishFilter() {
	if l.filter != nil {
		l.filter.Finish()
	}
}

// item sends an item of the cursor.
func (l *liveResponse) item(item broadcaster.Item) hub.Outcome {
	switch {
	case item.Data == nil:
		return l.interrupt(item)
	case l.filter != nil:
		if !l.task.inTurns(item.Data, filteredBytes, l.filter.Size(), func(piece []byte) { l.filter.Write(piece) }) {
			return hub.Left
		}
		if l.cut {
			return hub.Missed
		}
	default:
		l.output(item.Data, search.Wanted)
	}
	return hub.Following
}

// interrupt sends an item that isn't output. Its large frame must not be on the stack while a client takes its
// time for output.
func (l *liveResponse) interrupt(item broadcaster.Item) hub.Outcome {
	if size, ok := item.Event.(broadcaster.Resize); ok {
		l.text.Cols = size.Cols
		return hub.Following
	}
	l.finishFilter()
	if item.Reset == nil {
		l.event(item.Event)
		return hub.Following
	}
	if out := l.missed(*item.Reset); out != hub.Following {
		return out
	}
	l.task.rest() // the history may have to be read
	s := l.hub.BeginAfter(*item.Reset)
	if s.Cursor != nil { // otherwise the old one reports the next gap
		l.cursor = s.Cursor
	}
	l.begin(s)
	if l.filter != nil {
		l.filter.Restart(s.Point.Offset, s.Line, s.Point.State.Alternate())
	}
	return hub.Following
}

// Flush sends all buffered data to the client.
func (l *liveResponse) Flush() {
	l.task.rest()
	if l.err == nil {
		l.err = errors.Join(l.Writer.Flush(), l.http.Flush())
	}
}

// next returns the cursor's next item, waiting for it if necessary. Before it waits, next
// flushes; every quietTime, it writes a keep-alive. It waits no longer than that for the history. The item is valid only if the outcome is
// [hub.Following].
func (l *liveResponse) next() (broadcaster.Item, hub.Outcome) {
	for {
		item, wait, err := l.poll()
		if err != nil {
			return item, hub.Ended
		}
		if item.Reset != nil {
			l.session.Missed()
		}
		if wait == nil {
			if l.live && len(item.Data) <= smallItem && l.filter == nil {
				return item, l.intact()
			}
			return item, l.proceed()
		}
		l.live = true
		l.shrink()
		if l.Flush(); l.err != nil {
			return item, l.session.Lost()
		}
		l.quiet.Reset(quietTime)
		select {
		case <-wait:
		case <-l.quiet.C:
			l.pause()
			l.WriteString(l.idle)
			if l.cursor.Behind() { // the disk hangs
				l.session.Missed()
				return l.cursor.Skip(), l.proceed()
			}
		case <-l.task.done:
			return item, hub.Left
		}
	}
}

// shrink frees what isn't needed while the stream is silent.
func (l *liveResponse) shrink() {
	l.text.Shrink()
	if l.filter != nil {
		l.filter.Shrink()
	}
}

// proceed waits for a turn. The outcome isn't [hub.Following] if the client is gone.
func (l *liveResponse) proceed() hub.Outcome {
	if out := l.intact(); out != hub.Following {
		return out
	}
	if l.filter != nil { // it may pass nothing on for long, after which the turn would be returned
		l.task.rest()
	}
	if !l.task.work() {
		return hub.Left
	}
	return hub.Following
}

// intact returns the outcome of the writes so far: [hub.Following] unless one has failed.
func (l *liveResponse) intact() hub.Outcome {
	if _, err := l.Write(nil); err != nil { // bufio.Writer keeps the first error
		return l.session.Lost()
	}
	return hub.Following
}

// poll polls the cursor, in the history if it is behind the ring. It doesn't wait for the disk in turn.
func (l *liveResponse) poll() (item broadcaster.Item, wait <-chan struct{}, err error) {
	if l.lines || l.filter != nil && l.end == math.MaxInt64 {
		item, wait, err = l.cursor.PollLines()
	} else {
		item, wait, err = l.cursor.Poll()
	}
	if err == broadcaster.ErrBehind {
		l.task.rest()
		return l.cursor.PollHistory()
	}
	return item, wait, err
}
