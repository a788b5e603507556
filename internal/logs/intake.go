package logs

import (
	"io"
	"sync/atomic"

	"wsrun/filetail"
	"wsrun/hub"
)

// An intake fills a hub's stream with a file's lines and with what happens to the file. One
// goroutine calls its methods.
type intake struct {
	hub    *hub.Hub
	filter *filterWriter
	read   *atomic.Int64 // counts the bytes

	left   int64         // of the file's last lines, to be read yet
	loaded chan struct{} // closed when they are in the stream
	whole  bool          // loaded is closed
}

func newIntake(h *hub.Hub, filter Filter, read *atomic.Int64) *intake {
	return &intake{hub: h, filter: &filterWriter{Filter: filter, w: h.Stream}, read: read, loaded: make(chan struct{})}
}

// Write takes in the file's next bytes.
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

// Emit takes in an event of [filetail.Follow].
func (i *intake) Emit(event any) {
	switch e := event.(type) {
	case filetail.Start:
		i.hub.SetExact(e.Offset == 0 && i.filter.All())
		if i.left = e.Size - e.Offset; i.left <= 0 {
			i.finish()
		}
	case filetail.Truncated:
		i.emit(hub.FileEvent{State: "truncated", Lost: e.Lost})
	case filetail.Rotated:
		i.emit(hub.FileEvent{State: "rotated"})
	case filetail.Gone:
		i.emit(hub.FileEvent{State: "gone", Reason: string(e.Reason)})
	case filetail.Back:
		i.emit(hub.FileEvent{State: "back"})
	}
}

// emit puts an event behind what was read: an unfinished line ends there.
func (i *intake) emit(e hub.FileEvent) {
	i.filter.finish("\n")
	i.finish()
	i.hub.Stream.Emit(e)
}

// end is called when nothing more is read.
func (i *intake) end() { i.finish() }

// finish makes the last lines visible, if they are not yet.
func (i *intake) finish() {
	if !i.whole {
		i.whole = true
		i.hub.Stream.Flush()
		close(i.loaded)
	}
}
