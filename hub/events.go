package hub

import (
	"bytes"
	"fmt"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// ResetData returns the JSON of the reset event for a reader of lines, which gets no prelude.
func ResetData(s broadcaster.Start, r Run) []byte {
	return bytes.Join(protocol.Placing(newResetEvent(s, r), lastTimes(r.stamps(s.Stamps)), NoPrelude), nil)
}

func newResetEvent(s broadcaster.Start, r Run) protocol.ResetEvent {
	return protocol.ResetEvent{
		Event: "reset", Offset: r.Offset(s.Offset), Line: r.Line(s.Line), End: r.Offset(s.End),
		SkippedLines: s.SkippedLines, SkippedBytes: s.SkippedBytes,
	}
}

func newResizeEvent(s broadcaster.Resize) protocol.ResizeEvent {
	return protocol.ResizeEvent{Event: "resize", Cols: s.Cols, Rows: s.Rows}
}

// NewFileEvent returns e as an event of wsrun.v1.
func NewFileEvent(e FileEvent) protocol.FileEvent {
	event := protocol.FileEvent{Event: "file", State: e.State, Reason: e.Reason, Lost: e.Lost}
	if r := e.Run; r != nil {
		event.FileStart = &protocol.FileStart{Epoch: r.Epoch, Offset: r.Offset(r.From), Line: 1}
	}
	return event
}

// NewExitEvent returns e as an event of wsrun.v1.
func NewExitEvent(e broadcaster.Exit) *protocol.ExitEvent {
	return &protocol.ExitEvent{Event: "exit", Code: e.Code, Signal: e.Signal, DurationMs: e.Duration.Milliseconds()}
}

// A FileEvent is an event in the stream of a followed file.
type FileEvent struct {
	State  string // "truncated", "rotated", "gone" or "back"
	Reason string // why the file is gone
	Lost   int64  // bytes that are known to have been lost unread; there may be more
	Run    *Run   // that begins there; nil if the last one goes on
}

// String returns the event in words.
func (e FileEvent) String() string {
	switch e.State {
	case "gone":
		return "the file is gone: " + e.Reason
	case "back":
		return "the file is back"
	}
	if e.Lost > 0 {
		return fmt.Sprintf("the file was %s, at least %d bytes of it unread", e.State, e.Lost)
	}
	return "the file was " + e.State
}

// Numbers is an event in a stream: the lines of its first run have their own numbers from now on.
type Numbers struct{}

// Quiet implements [broadcaster.Quiet].
func (Numbers) Quiet() {}

// StateOf returns a stream's state, as the hello event and the status page show it: "ended" once
// the source has ended, otherwise "running".
func StateOf(st broadcaster.Stats) string {
	if st.Exit != nil {
		return "ended"
	}
	return "running"
}
