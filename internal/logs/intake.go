package logs

import (
	"io"
	"sync/atomic"

	"wsrun/filetail"
	"wsrun/hub"
)

// An intake fills a hub's stream with a file's lines and with the events of the file. Its
// methods must not be called concurrently.
type intake struct {
	hub    *hub.Hub
	filter *filterWriter
	past   *past         // nil with a filter
	read   *atomic.Int64 // counts the bytes read, of all files

	left   int64         // bytes of the file's last lines that haven't been read yet
	begun  chan struct{} // closed when it is clear where the stream begins
	opened bool          // begun is closed
	loaded chan struct{} // closed when the last lines are in the stream
	whole  bool          // loaded is closed

	started bool // the file was found
	old     bool // what is written was there before the file was followed
}

func newIntake(h *hub.Hub, filter Filter, past *past, read *atomic.Int64) *intake {
	return &intake{
		hub: h, filter: &filterWriter{Filter: filter, w: h.Stream}, past: past, read: read,
		begun: make(chan struct{}), loaded: make(chan struct{}),
	}
}

// Write adds the file's next bytes to the stream.
func (i *intake) Write(p []byte) (int, error) {
	w := io.Writer(i.hub.Stream)
	if !i.filter.All() {
		w = i.filter
	}
	n, err := w.Write(p)
	i.read.Add(int64(n))
	if i.left -= int64(n); i.left <= 0 {
		i.finish()
	}
	return n, err
}

// Emit handles an event of [filetail.Follow].
func (i *intake) Emit(event any) {
	if i.past != nil {
		i.past.joined = i.opened
		i.past.emit(event)
	}
	switch e := event.(type) {
	case filetail.Start:
		i.start(e)
	case filetail.Truncated:
		i.emit(hub.FileEvent{State: "truncated", Lost: e.Lost, Run: i.run()})
	case filetail.Rotated:
		i.emit(hub.FileEvent{State: "rotated", Run: i.run()})
	case filetail.Gone:
		i.emit(hub.FileEvent{State: "gone", Reason: string(e.Reason)})
	case filetail.Back:
		if i.started || i.past == nil { // otherwise, Start follows
			i.emit(hub.FileEvent{State: "back"})
		}
	}
}

// run returns the run that has just begun; nil with a filter, whose stream is one run.
func (i *intake) run() *hub.Run {
	if i.past == nil {
		return nil
	}
	return i.past.run
}

// emit adds an event to the stream, after ending an unfinished line.
func (i *intake) emit(e hub.FileEvent) {
	i.filter.finish("\n")
	i.finish()
	i.hub.Stream.Emit(e)
}

// start begins with the file's last lines, whose times aren't known. Viewers may be waiting for the file.
func (i *intake) start(e filetail.Start) {
	if i.opened && i.past != nil {
		i.emit(hub.FileEvent{State: "back", Run: i.run()})
	}
	i.begin()
	i.started, i.old = true, true
	i.hub.Stream.SetTimed(false)
	if i.left = e.Size - e.Offset; i.left <= 0 {
		i.finish()
	}
}

// end must be called when nothing more is read.
func (i *intake) end() {
	i.finish()
	i.hub.GiveUpNumbers()
}

// begin lets viewers join, unless that was done before.
func (i *intake) begin() {
	if !i.opened {
		i.opened = true
		close(i.begun)
	}
}

// finish publishes the last lines, unless that was done before.
func (i *intake) finish() {
	i.begin()
	if i.old {
		i.old = false
		i.hub.Stream.SetTimed(true)
	}
	if !i.whole {
		i.whole = true
		close(i.loaded)
	}
	if !i.started || i.past == nil {
		i.hub.GiveUpNumbers()
	}
}
