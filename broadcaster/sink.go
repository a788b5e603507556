package broadcaster

import "io"

// A Sink takes a stream: output, and the events that belong between two bytes of it. A
// source, for example a command under a PTY or a pipe, fills sinks. A [Broadcaster] is a
// sink.
//
// Output and events take the same path, in one order: whatever a call of Write or Emit
// passes on comes after everything from calls that had already returned. A source may call
// Emit concurrently with Write, and the sink then decides on the order of the two calls; a
// source must not call Write concurrently with itself.
type Sink interface {
	// Write takes output. It must not keep p, and it never waits for a viewer. An
	// error means that the sink takes no more output. A source may ignore the error.
	io.Writer

	// Emit takes an event: a [Resize] when the terminal gets a size; an [Exit], which
	// is the last event, when the source has ended; or any other type that the readers
	// of the stream know. If the sink takes no more output, Emit does nothing.
	Emit(event any)
}

var _ Sink = (*Broadcaster)(nil)
