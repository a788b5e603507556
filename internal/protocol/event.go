package protocol

import (
	"encoding/json"
	"net"
)

// The events of wsrun.v1, as docs/protocol.md describes them. Times are in
// milliseconds, since 1970 where they are points.

type HelloEvent struct {
	Event   string     `json:"event"`
	Kind    string     `json:"kind"`
	Epoch   string     `json:"epoch"`
	Offset  int64      `json:"offset"`
	Line    int64      `json:"line"`
	End     int64      `json:"end"`
	Resumed bool       `json:"resumed"`
	Kept    *KeptEvent `json:"kept,omitempty"`
	Times   [][2]int64 `json:"times,omitempty"` // see Placing
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

type ResetEvent struct {
	Event        string     `json:"event"`
	Offset       int64      `json:"offset"`
	Line         int64      `json:"line"`
	End          int64      `json:"end"`
	SkippedLines int64      `json:"skippedLines"`
	SkippedBytes int64      `json:"skippedBytes"`
	Kept         *KeptEvent `json:"kept,omitempty"`
	Times        [][2]int64 `json:"times,omitempty"` // see Placing
}

// KeptEvent tells which bytes of a prelude, from From up to To, are output, and
// the offset of that and the number of its first line.
type KeptEvent struct {
	Offset int64 `json:"offset"`
	Line   int64 `json:"line"`
	From   int   `json:"from"`
	To     int   `json:"to"`
}

type ResizeEvent struct {
	Event string `json:"event"`
	Cols  int    `json:"cols"`
	Rows  int    `json:"rows"`
}

type ExitEvent struct {
	Event      string `json:"event"`
	Code       int    `json:"code"`
	Signal     string `json:"signal"`
	DurationMs int64  `json:"durationMs"`
}

type ViewersEvent struct {
	Event string `json:"event"`
	N     int    `json:"n"`
}

type FileEvent struct {
	Event  string `json:"event"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Lost   int64  `json:"lost,omitempty"`
}

type PingEvent struct {
	Event string `json:"event"`
}

// Placing returns the JSON of an event that places a viewer in the stream, with times and a
// prelude that are JSON already, and that many viewers share. The event's own are not set.
func Placing(event any, times, prelude []byte) net.Buffers {
	b := Encode(event)
	return net.Buffers{append(b[:len(b)-1], `,"times":`...), times, []byte(`,"prelude":`), prelude, []byte("}")}
}

// Encode returns the JSON of an event, which is made of nothing that can fail.
func Encode(event any) []byte {
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return b
}
