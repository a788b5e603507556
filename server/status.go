package server

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"wsrun/hub"
	"wsrun/internal/protocol"
)

// A status is the answer of /-/status.
type status struct {
	Version string              `json:"version"`
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

	Offset int64 `json:"offset"` // of the first byte kept
	Line   int64 `json:"line"`   // that it is in
	End    int64 `json:"end"`    // bytes so far
	Lines  int64 `json:"lines"`  // kept
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	if s.files != nil {
		s.serveFilesStatus(w)
		return
	}
	f := s.feed
	st := f.Stream.Stats()
	answer := status{
		Version: s.o.Version,
		Epoch:   f.Stream.Epoch(),
		Title:   f.Title,
		Command: f.Command,
		Started: f.Started.UnixMilli(),
		Now:     time.Now().UnixMilli(),
		Cols:    st.Size.Cols,
		Rows:    st.Size.Rows,
		State:   hub.StateOf(st),
		Viewers: f.Viewers(),
		Offset:  st.Start,
		Line:    st.Line,
		End:     st.End,
		Lines:   st.Lines,
	}
	if st.Exit != nil {
		answer.Exit = hub.NewExitEvent(*st.Exit)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}
