package server

import (
	"encoding/json"
	"io"
	"net/http"
)

// serveStatus serves /-/status: the catalog's state, as JSON.
func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, s.catalog.status(s.o.Version))
}

// writeStatus responds with a status object.
func writeStatus(w http.ResponseWriter, status any) {
	w.Header().Set("Content-Type", jsonType)
	json.NewEncoder(w).Encode(status)
}

// serveHealth serves /-/healthz, for liveness probes.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", textType)
	io.WriteString(w, "ok\n")
}
