package server

import (
	"encoding/json"
	"io"
	"net/http"
)

// serveStatus serves /-/status: the catalog's state, as JSON.
func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.catalog.status(s.o.Version))
}

// serveHealth serves /-/healthz, for liveness probes.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", textType)
	io.WriteString(w, "ok\n")
}
