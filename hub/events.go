package hub

import (
	"bytes"
	"fmt"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// ResetData returns the reset event of a reader of lines, who gets no prelude.
func ResetData(s broadcaster.Start) []byte {
	return bytes.Join(protocol.Placing(newResetEvent(s), encodeTimes(s.Stamps), NoPrelude), nil)
}

func newResetEvent(s broadcaster.Start) protocol.ResetEvent {
	return protocol.ResetEvent{
		Event: "reset", Offset: s.Offset, Line: s.Line, End: s.End,
		SkippedLines: s.SkippedLines, SkippedBytes: s.SkippedBytes,
	}
}

func newResizeEvent(s broadcaster.Resize) protocol.ResizeEvent {
	return protocol.ResizeEvent{Event: "resize", Cols: s.Cols, Rows: s.Rows}
}

func NewFileEvent(e FileEvent) protocol.FileEvent {
	return protocol.FileEvent{Event: "file", State: e.State, Reason: e.Reason, Lost: e.Lost}
}

func NewExitEvent(e broadcaster.Exit) *protocol.ExitEvent {
	return &protocol.ExitEvent{Event: "exit", Code: e.Code, Signal: e.Signal, DurationMs: e.Duration.Milliseconds()}
}

// FileEvent says that something happened to a file that is followed: it was
// "truncated", and at least Lost bytes with that before they were read; it was
// "rotated", is "gone" for a reason, or "back".
type FileEvent struct {
	State, Reason string
	Lost          int64
}

// String says it in words.
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

// StateOf returns a stream's state, as hello and status have it.
func StateOf(st broadcaster.Stats) string {
	if st.Exit != nil {
		return "ended"
	}
	return "running"
}
