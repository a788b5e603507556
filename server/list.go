package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"wsrun/internal/access"
)

// serveList lists the streams, as the Accept header asks: as JSON, as text, or as the page
// that shows the list.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if access.IsPage(r) {
		s.servePage(w, r, pageOf(AList), "files")
		return
	}
	list, cut, err := s.catalog.List(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if access.HeaderHas(r.Header, "Accept", "application/json") {
		for i, e := range list {
			list[i].Link = "." + (&url.URL{Path: e.Path}).EscapedPath()
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(struct {
			Files []Entry `json:"files"`
			Cut   bool    `json:"cut"`
		}{append([]Entry{}, list...), cut})
		return
	}
	w.Header().Set("Content-Type", textType)
	for _, e := range list {
		fmt.Fprintf(w, "%12d  %s  %s\n", e.Size, e.Modified.Format("2006-01-02 15:04:05"), strconv.QuoteToGraphic(e.Path))
	}
	if cut {
		fmt.Fprintln(w, "[wsrun: there are more]")
	}
}
