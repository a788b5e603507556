package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"wsrun/internal/protocol"
)

// An Ended is what viewers are told of content that ends.
type Ended struct {
	Title    string
	Exact    bool            // its lines' numbers are those of the whole
	Stopping context.Context // done when the server is shut down
}

// ServeContent sends by WebSocket what copy writes, and closes it.
func (s *Sessions) ServeContent(w http.ResponseWriter, visit *Visit, e Ended, copy func(io.Writer) error) {
	if v := s.upgrade(w, visit, false); v != nil {
		v.end(v.content(e, copy))
	}
}

// content sends content and all that goes with it; the error is [io.EOF] if that went
// well.
func (v *viewer) content(e Ended, copy func(io.Writer) error) error {
	v.nextPing = time.Now().Add(untilPing())
	if err := v.place(protocol.HelloEvent{
		Event: "hello", Epoch: rand.Text(), Line: 1, Times: [][2]int64{}, Title: e.Title, Command: []string{},
		Started: time.Now().UnixMilli(), Now: time.Now().UnixMilli(), State: "ended", LF: true, Exact: e.Exact,
	}, NoPrelude); err != nil {
		return err
	}
	err := copy(frames{v})
	if e.Stopping.Err() != nil {
		return errStopping
	}
	if err != nil {
		return err
	}
	return errors.Join(v.message(v.text.Flush()), io.EOF)
}

// frames writes to a viewer.
type frames struct{ v *viewer }

func (f frames) Write(p []byte) (int, error) {
	select {
	case <-f.v.left:
		return 0, net.ErrClosed
	default:
	}
	if err := f.v.heartbeat(time.Now()); err != nil {
		return 0, err
	}
	if err := f.v.output(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
