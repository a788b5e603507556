package server

import (
	"context"
	"time"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/hub"
	"wsrun/internal/logs"
	"wsrun/internal/protocol"
)

// Single returns a catalog of one stream, at the root. [Catalog.Close] frees the stream's
// hub, but doesn't close the stream: its source must do so before the server is shut down.
func Single(o hub.Options) Catalog { return single{hub.New(o)} }

type single struct{ hub *hub.Hub }

// Target implements [Catalog].
func (single) Target(path string) Target {
	if path == "/" {
		return AStream
	}
	return Nothing
}

// Open implements [Catalog].
func (s single) Open(context.Context, string, logs.Filter) (Stream, error) {
	return singleStream(s), nil
}

// List implements [Catalog]. No path names a list.
func (single) List(context.Context) (*List, error) { return nil, ErrNotFound }

// End implements [Catalog]: the stream's source ends it.
func (single) End() {}

// Close implements [Catalog].
func (s single) Close() { s.hub.Close() }

// A singleStream is the only stream of its catalog.
type singleStream struct{ hub *hub.Hub }

// Title implements [Stream].
func (s singleStream) Title() string { return s.hub.Title }

// Follow implements [Stream].
func (s singleStream) Follow(context.Context) (*hub.Hub, func(), error) {
	return s.hub, func() {}, nil
}

// Stored implements [Stream]: output that the ring has dropped is gone.
func (singleStream) Stored() Stored { return nil }

// Close implements [Stream].
func (singleStream) Close() {}

// A streamStatus is the JSON body of /-/status for a single stream.
type streamStatus struct {
	Version string              `json:"version"`
	Kind    hub.Kind            `json:"kind"`
	Epoch   string              `json:"epoch"`
	Title   string              `json:"title"`
	Command []string            `json:"command"`
	Started int64               `json:"started"`
	Now     int64               `json:"now"`
	Cols    int                 `json:"cols"`
	Rows    int                 `json:"rows"`
	State   string              `json:"state"`
	Exit    *protocol.ExitEvent `json:"exit,omitempty"`
	Viewers int                 `json:"viewers"`

	Offset int64 `json:"offset"` // of the first byte in the ring
	Line   int64 `json:"line"`   // number of the line that holds that byte
	End    int64 `json:"end"`    // bytes of output so far
	Lines  int64 `json:"lines"`  // number of lines in the ring

	History *protocol.Place `json:"history,omitempty"` // the oldest place that can be reached
}

func (s single) status(version string) any { return singleStream(s).status(version) }

func (s singleStream) status(version string) any {
	h := s.hub
	st, run := h.Stream.Stats(), h.LastRun()
	answer := streamStatus{
		Version: version, Kind: h.Kind, Epoch: run.Epoch, Title: h.Title, Command: h.Command,
		Started: h.Started.UnixMilli(), Now: time.Now().UnixMilli(),
		Cols: st.Size.Cols, Rows: st.Size.Rows,
		State: hub.StateOf(st), Viewers: h.Viewers(),
		Offset: st.Start, Line: st.Line, End: st.End, Lines: st.Lines, History: h.Oldest(run),
	}
	if st.Exit != nil {
		answer.Exit = hub.NewExitEvent(*st.Exit)
	}
	return answer
}

func (s single) metrics(m exposition) {
	st := s.hub.Stream.Stats()
	m.streams(st.End, st.Chunks, st.End-st.Start, st.Lines)
	if log, ok := s.hub.History.(*history.Log); ok {
		m.history(log.StoreStats())
	}
	m.single("wsrun_pictures_abandoned_total", "counter",
		"Full-screen programs that could not be followed for those who join late.", s.hub.Abandoned())
	m.single("wsrun_command_running", "gauge", "1 until the command, or standard input, has ended; then 0.", running(st))
	if st.Exit != nil {
		m.single("wsrun_command_exit_code", "gauge",
			"The command's exit status, 128 plus a signal's number; once it has ended.", int64(st.Exit.Code))
	}
}

// running returns the value of wsrun_command_running: 0 once the source has ended.
func running(st broadcaster.Stats) int64 {
	if st.Exit != nil {
		return 0
	}
	return 1
}
