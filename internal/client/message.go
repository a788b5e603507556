package client

import (
	"bytes"
	"net/url"
	"strconv"

	"wsrun/internal/protocol"
)

// A Message is what one WebSocket message holds. The receiver may keep and change it.
type Message struct {
	Payload []byte         // output; or the JSON of Event, as it came
	Event   protocol.Event // nil if Payload is output
}

// A Position is a place in a run of a stream. The zero Position is nowhere.
type Position struct {
	Epoch  string // of the run
	Offset int64  // of the next byte of output, from the first of the run
	Line   int64  // number, from 1, of the line that the next byte is in
}

// Pass moves the position behind a message of wsrun.v1: to where a hello, a reset, a skip or another file says,
// or past the output. A prelude doesn't count as output, and neither do the kept lines in
// it, which lie before the position.
func (p *Position) Pass(m Message) {
	switch e := m.Event.(type) {
	case nil:
		p.Offset += int64(len(m.Payload))
		p.Line += int64(bytes.Count(m.Payload, []byte("\n")))
	case protocol.HelloEvent:
		*p = Position{e.Epoch, e.Offset, e.Line}
	case protocol.ResetEvent:
		p.Offset, p.Line = e.Offset, e.Line
	case protocol.SkipEvent:
		p.Offset, p.Line = e.Offset, e.Line
	case protocol.NumbersEvent:
		p.Line = e.Line
	case protocol.FileEvent:
		if e.FileStart != nil {
			*p = Position{e.Epoch, e.Offset, e.Line}
		}
	}
}

// Query returns the part of a URL's query that resumes at the position, for example
// "epoch=E&offset=12"; none if it is nowhere.
func (p Position) Query() string {
	if p.Epoch == "" {
		return ""
	}
	return url.Values{"epoch": {p.Epoch}, "offset": {strconv.FormatInt(p.Offset, 10)}}.Encode()
}
