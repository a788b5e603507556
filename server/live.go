package server

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
)

// quietTime is how long a response may be silent: proxies close what seems idle.
const quietTime = 25 * time.Second

// A liveResponse is written as output arrives.
type liveResponse struct {
	*bufio.Writer
	session *hub.Session
	http    *http.ResponseController
	idle    string // what to send when there is nothing to send
	err     error  // the first one
}

func newLiveResponse(w http.ResponseWriter, session *hub.Session) *liveResponse {
	return &liveResponse{Writer: bufio.NewWriter(session.Counting(w)), session: session, http: http.NewResponseController(w)}
}

// Flush sends what was written to the client.
func (l *liveResponse) Flush() {
	if l.err == nil {
		l.err = errors.Join(l.Writer.Flush(), l.http.Flush())
	}
}

// next returns what follows at the cursor. Before it waits it sends what was written.
func (l *liveResponse) next(c *broadcaster.Cursor) (broadcaster.Item, hub.Outcome) {
	for {
		item, wait, err := c.Poll()
		if err != nil {
			return item, hub.Ended
		}
		if item.Reset != nil {
			l.session.Missed()
		}
		if _, err := l.Write(nil); err != nil { // of an earlier write
			return item, l.session.Lost()
		}
		if wait == nil {
			return item, hub.Following
		}
		if l.Flush(); l.err != nil {
			return item, l.session.Lost()
		}
		if !l.wait(l.session.Request().Context(), wait) {
			return item, hub.Left
		}
	}
}

// wait waits for output, or until the response was silent for too long; it reports false once
// ctx is done.
func (l *liveResponse) wait(ctx context.Context, output <-chan struct{}) bool {
	quiet := time.NewTimer(quietTime)
	defer quiet.Stop()
	select {
	case <-output:
	case <-quiet.C:
		l.WriteString(l.idle)
	case <-ctx.Done():
		return false
	}
	return true
}
