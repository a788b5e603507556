package server

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"

	"wsrun/hub"
)

const (
	// maxSliceBytes is the largest slice, and maxSliceHeld about what it takes in memory until it is sent.
	maxSliceBytes = 4 << 20
	maxSliceHeld  = 6 << 20
)

// sliceLines is how many lines a slice has if the query doesn't say.
const sliceLines = 1000

// serveSlice responds with a section of a stream: a line of JSON that describes it, and its bytes.
func (s *Server) serveSlice(w taskResponse, r *http.Request, stream Stream, q *query) {
	session, h := s.enter(r.Context(), w, r, stream, q)
	if h == nil {
		return
	}
	defer session.End(hub.Left)
	limits := hub.SliceLimits{Lines: int64(q.Lines), Bytes: maxSliceBytes, Until: q.until}
	switch {
	case q.until > 0:
		limits.Lines = math.MaxInt64
	case q.Lines < 0:
		limits.Lines = sliceLines
	}
	w.task.rest() // the history may have to be read
	slice, err := h.Slice(r.Context(), q.Position, limits)
	if errors.Is(err, hub.ErrGone) {
		s.refuse(w, r, gone(err.Error()))
		return
	}
	w.Header().Set("Content-Type", textType)
	json.NewEncoder(w).Encode(slice) // ends with a newline
	for _, part := range slice.Output {
		if _, err := w.Write(part); err != nil {
			abandon()
		}
	}
}
