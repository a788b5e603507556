package protocol

import (
	"encoding/json"
	"net"
)

// An Event is an event of wsrun.v1, as docs/protocol.md describes it: one of the types
// in this package whose names end in Event, except for [KeptEvent].
//
// Points in time are in milliseconds since 1970 by the server's clock, offsets in bytes
// from the first byte of the run, and line numbers count from 1. The field Event of each
// type is its name on the wire.
type Event interface{ event() }

// A HelloEvent comes first on every connection.
type HelloEvent struct {
	Event   string     `json:"event"` // "hello"
	Kind    string     `json:"kind"`
	Epoch   string     `json:"epoch"`
	Offset  int64      `json:"offset"`
	Line    int64      `json:"line"`
	End     int64      `json:"end"`
	Resumed bool       `json:"resumed"`
	Prelude string     `json:"prelude,omitempty"` // empty where [Placing] adds it
	Kept    *KeptEvent `json:"kept,omitempty"`
	Times   [][2]int64 `json:"times,omitempty"` // empty where [Placing] adds it
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
	History *Place     `json:"history,omitempty"` // the oldest place that can be reached
}

// A Place is a place in the output, which a line may begin at.
type Place struct {
	Offset int64 `json:"offset"`
	Line   int64 `json:"line"` // number of the line that holds the byte
}

// A ResetEvent says that output is missing, and where the stream continues.
type ResetEvent struct {
	Event        string     `json:"event"` // "reset"
	Offset       int64      `json:"offset"`
	Line         int64      `json:"line"`
	End          int64      `json:"end"`
	SkippedLines int64      `json:"skippedLines"`
	SkippedBytes int64      `json:"skippedBytes"`
	Prelude      string     `json:"prelude,omitempty"` // empty where [Placing] adds it
	Kept         *KeptEvent `json:"kept,omitempty"`
	Times        [][2]int64 `json:"times,omitempty"` // empty where [Placing] adds it
}

// A SkipEvent says that a filter has left out output, and where the next output is: at Offset, in line Line. Prelude
// brings the viewer's terminal into the state there.
type SkipEvent struct {
	Event   string `json:"event"` // "skip"
	Offset  int64  `json:"offset"`
	Line    int64  `json:"line"`
	Prelude string `json:"prelude"`
}

// A KeptEvent is the part of a prelude that is output: its bytes from From up to To, the
// offset of the first of them, and the number of their first line.
type KeptEvent struct {
	Offset int64 `json:"offset"`
	Line   int64 `json:"line"`
	From   int   `json:"from"`
	To     int   `json:"to"`
}

// A ResizeEvent is a new size of the terminal, in its place among the output.
type ResizeEvent struct {
	Event string `json:"event"` // "resize"
	Cols  int    `json:"cols"`
	Rows  int    `json:"rows"`
}

// An ExitEvent comes after the last byte.
type ExitEvent struct {
	Event      string `json:"event"` // "exit"
	Code       int    `json:"code"`
	Signal     string `json:"signal"` // for example "SIGKILL", or empty
	DurationMs int64  `json:"durationMs"`
}

// A ViewersEvent is a new number of WebSocket viewers.
type ViewersEvent struct {
	Event string `json:"event"` // "viewers"
	N     int    `json:"n"`
}

// A FileEvent says what happened to a file, in its place among the output.
type FileEvent struct {
	Event  string `json:"event"` // "file"
	State  string `json:"state"`
	Reason string `json:"reason"`
	Lost   int64  `json:"lost,omitempty"` // bytes, at least
	*FileStart
}

// A FileStart is where the output goes on, in another file or with other content.
type FileStart struct {
	Epoch  string `json:"epoch"`
	Offset int64  `json:"offset"`
	Line   int64  `json:"line"`
}

// A NumbersEvent says which number the line has that the next byte is in, once that is known: line numbers have counted from
// the first line shown.
type NumbersEvent struct {
	Event string `json:"event"` // "numbers"
	Line  int64  `json:"line"`
}

// A PingEvent is a sign of life.
type PingEvent struct {
	Event string `json:"event"` // "ping"
}

// An UnknownEvent is one that this version of wsrun does not know. Clients must ignore it.
type UnknownEvent struct {
	Event string `json:"event"`
}

func (HelloEvent) event()   {}
func (ResetEvent) event()   {}
func (SkipEvent) event()    {}
func (ResizeEvent) event()  {}
func (ExitEvent) event()    {}
func (ViewersEvent) event() {}
func (FileEvent) event()    {}
func (NumbersEvent) event() {}
func (PingEvent) event()    {}
func (UnknownEvent) event() {}

// Of returns the output in the prelude of the event that has k; none if k is nil. The
// event must be of [Decode], which checks that k lies within the prelude.
func (k *KeptEvent) Of(prelude string) string {
	if k == nil {
		return ""
	}
	return prelude[k.From:k.To]
}

// Placing returns the JSON of a hello or reset event, with times and a prelude that are already JSON and that many
// viewers share: times has the members of an array. The event's own Times and Prelude must be empty.
func Placing(event any, times, prelude []byte) net.Buffers {
	b := Encode(event)
	return net.Buffers{append(b[:len(b)-1], `,"times":[`...), times, []byte(`],"prelude":`), prelude, []byte("}")}
}

// Encode returns the JSON of an event. It panics on an event that has no JSON, which
// those of this package always have.
func Encode(event any) []byte {
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return b
}
