package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"wsrun/internal/access"
)

// A List is a list of streams at one moment. All requests for it share its encodings, and it must
// not be changed.
type List struct {
	json, text func() []byte // the encodings, made when they are first needed
}

// An entry is a stream in a list. Its JSON form is part of the protocol (docs/protocol.md).
type entry struct {
	Path     string    `json:"path"`
	Link     string    `json:"link"` // relative URL
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
}

// newList returns a list of entries, newest first, whose links it sets. cut says that there are
// more than these.
func newList(entries []entry, cut bool) *List {
	for i, e := range entries {
		entries[i].Link = "." + (&url.URL{Path: e.Path}).EscapedPath()
	}
	return &List{
		json: sync.OnceValue(func() []byte { return encodeList(entries, cut) }),
		text: sync.OnceValue(func() []byte { return listText(entries, cut) }),
	}
}

// encodeList returns a list as JSON.
func encodeList(entries []entry, cut bool) []byte {
	var b bytes.Buffer
	json.NewEncoder(&b).Encode(struct {
		Files []entry `json:"files"`
		Cut   bool    `json:"cut"`
	}{entries, cut})
	return bytes.Clone(b.Bytes()) // without the spare room
}

// listText returns a list as lines of text.
func listText(entries []entry, cut bool) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&b, "%12d  %s  %s\n", e.Size, e.Modified.Format("2006-01-02 15:04:05"), strconv.QuoteToGraphic(e.Path))
	}
	if cut {
		fmt.Fprintln(&b, "[wsrun: there are more]")
	}
	return bytes.Clone(b.Bytes())
}

// asksForChanges reports whether a request for a list is for the stream of its changes.
func asksForChanges(r *http.Request) bool {
	q, _ := parseQuery(r.URL.RawQuery) // serveStream refuses a bad query
	switch formOf(r, q) {
	case asWebSocket, asEvents:
		return true
	case asText:
		return q.follow
	}
	return false
}

// serveList lists the streams, as the Accept header asks: as JSON, as text, or as the page
// that shows the list.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if access.IsPage(r) {
		s.servePage(w, r, pageOf(AList), "files")
		return
	}
	s.admit(w, r, 0, s.sendList)
}

// sendList responds with the list, as JSON or text.
func (s *Server) sendList(w http.ResponseWriter, r *http.Request, t *task) {
	t.rest() // a walk of the tree may take long, and runs elsewhere
	list, err := s.catalog.List(r.Context())
	if r.Context().Err() != nil || !t.work() {
		abandon()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !s.lists.begin(list) {
		s.refuse(w, r, busy("too many lists are being sent: try again later"))
		return
	}
	defer s.lists.end(list)
	encode, kind := list.text, textType
	if access.HeaderHas(r.Header, "Accept", "application/json") {
		encode, kind = list.json, "application/json"
	}
	w.Header().Set("Content-Type", kind)
	body := encode()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	t.writer(w).Write(body)
}

// maxLists is how many different lists are sent at a time. While files change, each second has
// another list of a megabyte or more (docs/facts.md, server), and a client may take as long as it
// likes.
const maxLists = 16

// lists counts the responses that send each list. Its methods may be called concurrently.
type lists struct {
	mu      sync.Mutex
	sending map[*List]int
}

// begin counts a response, unless it would be the first of one list too many. The caller must
// then call end.
func (l *lists) begin(list *List) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending[list] == 0 && len(l.sending) >= maxLists {
		return false
	}
	if l.sending == nil {
		l.sending = map[*List]int{}
	}
	l.sending[list]++
	return true
}

// end undoes begin.
func (l *lists) end(list *List) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending[list]--; l.sending[list] == 0 {
		delete(l.sending, list)
	}
}
