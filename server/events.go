package server

import (
	"encoding/json"
	"net"

	"wsrun/broadcaster"
)

// The events of wsrun.v1, as docs/protocol.md describes them. Times are in
// milliseconds, since 1970 where they are points.

type helloEvent struct {
	Event   string     `json:"event"`
	Epoch   string     `json:"epoch"`
	Offset  int64      `json:"offset"`
	Line    int64      `json:"line"`
	End     int64      `json:"end"`
	Resumed bool       `json:"resumed"`
	Kept    *keptEvent `json:"kept,omitempty"`
	Times   [][2]int64 `json:"times"`
	Title   string     `json:"title"`
	Command []string   `json:"command"`
	Started int64      `json:"started"`
	Now     int64      `json:"now"`
	Cols    int        `json:"cols"`
	Rows    int        `json:"rows"`
	State   string     `json:"state"`
	Viewers int        `json:"viewers"`
	LF      bool       `json:"lf"`
	Exact   bool       `json:"exact"`
}

type resetEvent struct {
	Event        string     `json:"event"`
	Offset       int64      `json:"offset"`
	Line         int64      `json:"line"`
	End          int64      `json:"end"`
	SkippedLines int64      `json:"skippedLines"`
	SkippedBytes int64      `json:"skippedBytes"`
	Kept         *keptEvent `json:"kept,omitempty"`
	Times        [][2]int64 `json:"times"`
}

// keptEvent tells which bytes of a prelude, from From up to To, are output, and
// the offset of that and the number of its first line.
type keptEvent struct {
	Offset int64 `json:"offset"`
	Line   int64 `json:"line"`
	From   int   `json:"from"`
	To     int   `json:"to"`
}

type resizeEvent struct {
	Event string `json:"event"`
	Cols  int    `json:"cols"`
	Rows  int    `json:"rows"`
}

type exitEvent struct {
	Event      string `json:"event"`
	Code       int    `json:"code"`
	Signal     string `json:"signal"`
	DurationMs int64  `json:"durationMs"`
}

type viewersEvent struct {
	Event string `json:"event"`
	N     int    `json:"n"`
}

type fileEvent struct {
	Event  string `json:"event"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Lost   int64  `json:"lost,omitempty"`
}

type pingEvent struct {
	Event string `json:"event"`
}

func newResetEvent(s broadcaster.Start) resetEvent {
	return resetEvent{"reset", s.Offset, s.Line, s.End, s.SkippedLines, s.SkippedBytes, nil, times(s.Stamps)}
}

func newResizeEvent(s broadcaster.Resize) resizeEvent { return resizeEvent{"resize", s.Cols, s.Rows} }

func newFileEvent(e FileEvent) fileEvent { return fileEvent{"file", e.State, e.Reason, e.Lost} }

func newExitEvent(e broadcaster.Exit) *exitEvent {
	return &exitEvent{"exit", e.Code, e.Signal, e.Duration.Milliseconds()}
}

// times returns stamps as [[offset, ms], …], which is never null.
func times(stamps []broadcaster.Stamp) [][2]int64 {
	t := make([][2]int64, len(stamps))
	for i, s := range stamps {
		t[i] = [2]int64{s.Offset, s.UnixMilli}
	}
	return t
}

// withPrelude returns the JSON of an event, with a prelude that is JSON already and
// that many viewers share.
func withPrelude(event any, prelude []byte) net.Buffers {
	b := encode(event)
	return net.Buffers{append(b[:len(b)-1], `,"prelude":`...), prelude, []byte("}")}
}

// encode returns the JSON of an event, which is made of nothing that can fail.
func encode(event any) []byte {
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return b
}
