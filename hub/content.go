package hub

import (
	"io"
	"net"
	"net/http"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// Content describes finite content, such as a finished file, to the viewers it is sent to.
type Content struct {
	Kind     Kind
	Title    string
	Offset   int64           // of the first byte
	Line     int64           // number of the first line; 0 means 1
	Prelude  []byte          // puts a new terminal into the state there
	Exact    bool            // line numbers count from the start of the whole content
	Stopping <-chan struct{} // closed when the server shuts down; nil if it never does
}

// ServeContent upgrades the request of session to a WebSocket, sends everything that copy
// writes to it, and closes the WebSocket. It ends the session, and returns when the session has
// ended. If the handshake is bad, it answers the request with an error's status.
//
// Writes in copy fail with [net.ErrClosed] once the viewer is gone, and copy should return then.
// An error of copy closes the connection without a close frame.
func (s *Sessions) ServeContent(w http.ResponseWriter, session *Session, e Content, copy func(io.Writer) error) {
	defer session.endOnPanic()
	v := s.upgrade(w, session, false)
	if v == nil {
		return
	}
	defer s.o.Panics.Contain("send content to a viewer", v.cutOff)
	session.End(v.end(v.sendContent(e, copy)))
}

// sendContent sends the hello event and all that copy writes.
func (v *viewer) sendContent(e Content, copy func(io.Writer) error) Outcome {
	v.nextPing = v.now() + untilPing()
	if out := v.sendStart(protocol.HelloEvent{
		Event: "hello", Kind: string(e.Kind), Epoch: broadcaster.NewEpoch(), Offset: e.Offset, Line: max(e.Line, 1),
		Title: e.Title, Command: []string{},
		Started: time.Now().UnixMilli(), Now: time.Now().UnixMilli(), State: "ended", LF: true, Exact: e.Exact,
	}, lastTimes(nil), quote(e.Prelude)); out != Following {
		return out
	}
	if !v.v1 {
		if out := v.sendText(v.text.Decode(e.Prelude)); out != Following {
			return out
		}
	}
	to := &contentWriter{v: v}
	err := copy(to)
	select {
	case <-e.Stopping:
		return Stopping
	default:
	}
	if err != nil {
		return max(to.out, Left)
	}
	if out := v.sendText(v.text.Flush()); out != Following {
		return out
	}
	return Ended
}

// A contentWriter sends what is written to it to a viewer, and handles pings between writes.
type contentWriter struct {
	v   *viewer
	out Outcome // of the last write
}

// Write implements [io.Writer]. Any error is [net.ErrClosed].
func (c *contentWriter) Write(p []byte) (int, error) {
	c.out = Left
	select {
	case <-c.v.left:
	default:
		if c.out = c.v.heartbeat(c.v.now()); c.out == Following {
			opcode, payload := c.v.payload(p)
			c.out = c.v.sendChunk(opcode, payload, false)
		}
	}
	if c.out != Following {
		return 0, net.ErrClosed
	}
	return len(p), nil
}
