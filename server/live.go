package server

import (
	"bufio"
	"errors"
	"net/http"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/plaintext"
)

// quietTime is how long a response may be silent before it sends a keep-alive. Proxies close
// connections that seem idle: nginx, for example, after 60 s (proxy_read_timeout).
const quietTime = 25 * time.Second

// smallItem is how much output, in bytes, is turned into text without a turn. A long line takes up to
// 2 MiB while that happens, which must not be needed for many viewers at a time.
const smallItem = 4 << 10

// liveBuffer is how much of a response is written at a time, in bytes. net/http has a buffer of that size
// below, which it then doesn't use.
const liveBuffer = 2 << 10

// A liveResponse is an HTTP response that is written as output arrives.
type liveResponse struct {
	*bufio.Writer
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

func newLiveResponse(w taskResponse, session *hub.Session) *liveResponse {
	return &liveResponse{
		Writer: bufio.NewWriterSize(session.Counting(w), liveBuffer), session: session, task: w.task,
		http: http.NewResponseController(w), quiet: time.NewTimer(quietTime),
	}
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
func (l *liveResponse) next(c *broadcaster.Cursor) (broadcaster.Item, hub.Outcome) {
	for {
		item, wait, err := l.poll(c)
		if err != nil {
			return item, hub.Ended
		}
		if item.Reset != nil {
			l.session.Missed()
		}
		if wait == nil {
			if l.live && len(item.Data) <= smallItem {
				return item, l.intact()
			}
			return item, l.proceed()
		}
		l.live = true
		l.text.Shrink()
		if l.Flush(); l.err != nil {
			return item, l.session.Lost()
		}
		l.quiet.Reset(quietTime)
		select {
		case <-wait:
		case <-l.quiet.C:
			l.WriteString(l.idle)
			if c.Behind() { // the disk hangs
				l.session.Missed()
				return c.Skip(), l.proceed()
			}
		case <-l.task.done:
			return item, hub.Left
		}
	}
}

// proceed waits for a turn. The outcome isn't [hub.Following] if the client is gone.
func (l *liveResponse) proceed() hub.Outcome {
	if out := l.intact(); out != hub.Following {
		return out
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
func (l *liveResponse) poll(c *broadcaster.Cursor) (item broadcaster.Item, wait <-chan struct{}, err error) {
	if l.lines {
		item, wait, err = c.PollLines()
	} else {
		item, wait, err = c.Poll()
	}
	if err == broadcaster.ErrBehind {
		l.task.rest()
		return c.PollHistory()
	}
	return item, wait, err
}
