package hub

import (
	"io"
	"net"
	"net/http"
	"time"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// Content is what viewers are told of content that ends.
type Content struct {
	Kind     Kind
	Title    string
	Exact    bool            // its lines' numbers are those of the whole
	Stopping <-chan struct{} // closed when the server is shut down
}

// ServeContent sends by WebSocket what copy writes, and closes it.
func (s *Sessions) ServeContent(w http.ResponseWriter, visit *Session, e Content, copy func(io.Writer) error) bool {
	v := s.upgrade(w, visit, false)
	if v == nil {
		visit.End(Left)
		return false
	}
	visit.End(v.end(v.content(e, copy)))
	return true
}

// content sends content and all that goes with it.
func (v *viewer) content(e Content, copy func(io.Writer) error) Outcome {
	v.nextPing = time.Now().Add(untilPing())
	if out := v.sendStart(protocol.HelloEvent{
		Event: "hello", Kind: string(e.Kind), Epoch: broadcaster.NewEpoch(), Line: 1, Title: e.Title, Command: []string{},
		Started: time.Now().UnixMilli(), Now: time.Now().UnixMilli(), State: "ended", LF: true, Exact: e.Exact,
	}, encodeTimes(nil), NoPrelude); out != Following {
		return out
	}
	to := &frames{v: v}
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

// frames writes to a viewer.
type frames struct {
	v   *viewer
	out Outcome // of the last write
}

func (f *frames) Write(p []byte) (int, error) {
	f.out = Left
	select {
	case <-f.v.left:
	default:
		if f.out = f.v.heartbeat(time.Now()); f.out == Following {
			opcode, payload := f.v.payload(p)
			f.out = f.v.sendChunk(opcode, payload, false)
		}
	}
	if f.out != Following {
		return 0, net.ErrClosed
	}
	return len(p), nil
}
