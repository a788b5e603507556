package server

import (
	"fmt"
	"strconv"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/protocol"
	"wsrun/internal/search"
)

// maxRecord is how much of a line's text a record has, in bytes. A longer line takes several records.
const maxRecord = 1 << 20

// A recordSink writes a JSON object per line (NDJSON). It writes an object's text as it comes, so that a long line
// takes no memory.
type recordSink struct {
	lineSink
	size int    // of the text so far, in the record that is being written
	open bool   // an unfinished last line says so
	part []byte // its memory is used again
}

// emit writes a line, or part of one if it isn't whole.
func (r *recordSink) emit(line []byte, _ int64, whole bool) {
	if r.verdict == search.Dropped {
		return
	}
	for {
		if !r.within {
			r.head()
		}
		n := len(line)
		if left := maxRecord - r.size; n > left {
			for n = left; n > 0 && line[n]&0xc0 == 0x80; n-- { // not within a character
			}
		}
		r.part = protocol.AppendQuoted(r.part[:0], line[:n])
		r.Write(r.part)
		r.size += n
		if line = line[n:]; len(line) == 0 {
			break
		}
		r.tail(`,"more":true`)
	}
	if cap(r.part) > liveBuffer {
		r.part = nil
	}
	if whole {
		r.tail("")
	}
}

// head begins a record.
func (r *recordSink) head() {
	line, offset := r.line, r.start
	if r.hub != nil {
		run := r.hub.RunAt(r.start)
		line, offset = run.Line(line), run.Offset(offset)
	}
	b := strconv.AppendInt(append(r.part[:0], `{"line":`...), line, 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), offset, 10)
	if ms, ok := r.clock.at(r.start); ok {
		b = strconv.AppendInt(append(b, `,"ms":`...), ms, 10)
	}
	if r.verdict == search.Context {
		b = append(b, `,"context":true`...)
	}
	r.part = append(b, `,"text":"`...)
	r.Write(r.part)
	r.within, r.size = true, 0
}

// tail ends a record.
func (r *recordSink) tail(more string) {
	r.WriteByte('"')
	r.WriteString(more)
	r.WriteString("}\n")
	r.within = false
}

// missed implements [sink].
func (r *recordSink) missed(start broadcaster.Start) hub.Outcome {
	r.endLine(`,"more":true`)
	r.object("gap", gapRecord{start.SkippedLines, start.SkippedBytes})
	return hub.Following
}

// pause implements [sink].
func (r *recordSink) pause() {
	if r.within {
		r.tail(`,"more":true`)
	}
}

// event implements [sink].
func (r *recordSink) event(event any) {
	switch event := event.(type) {
	case hub.FileEvent:
		r.endLine(`,"more":true`)
		r.start = r.at // of the line that begins next
		r.object("file", fileRecord{event.State, event.Reason, event.Lost, r.hub.RunAt(r.at).Epoch})
	case broadcaster.Exit:
		r.endLine("")
		r.exit(event)
	}
}

// exit writes how the run ended.
func (r *recordSink) exit(e broadcaster.Exit) {
	r.object("exit", exitRecord{e.Code, e.Signal, e.Duration.Milliseconds()})
}

// finish implements [sink].
func (r *recordSink) finish() {
	if r.text.Finish(); r.within && r.open {
		r.tail(`,"open":true`)
	}
	r.endLine("")
	if r.hub == nil {
		return
	}
	if st := r.hub.Stream.Stats(); r.open && st.Exit != nil && r.cursor.Offset() == st.End && !(r.filter != nil && r.filter.Done()) {
		r.exit(*st.Exit)
	}
}

// endLine ends an unfinished line.
func (r *recordSink) endLine(more string) {
	if r.text.Finish(); r.within {
		r.tail(more)
	}
}

// object writes an object with a single member.
func (r *recordSink) object(name string, value any) {
	fmt.Fprintf(r, "{%q:%s}\n", name, protocol.Encode(value))
}

// A gapRecord says how much output is missing.
type gapRecord struct {
	Lines int64 `json:"lines"` // 0 if the number isn't known
	Bytes int64 `json:"bytes"` // likewise
}

// A fileRecord is what happened to a file.
type fileRecord struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
	Lost   int64  `json:"lost"`
	Epoch  string `json:"epoch"`
}

// An exitRecord says how a run ended.
type exitRecord struct {
	Code       int    `json:"code"`
	Signal     string `json:"signal"`
	DurationMs int64  `json:"durationMs"`
}
