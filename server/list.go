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
	held       int64         // about how many bytes the list takes, with both
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
	const fields, copies = 300, 5 // what the other fields take, and how often a path is in the three
	held := int64(0)
	for i, e := range entries {
		entries[i].Link = "." + (&url.URL{Path: e.Path}).EscapedPath()
		held += fields + copies*int64(len(entries[i].Link))
	}
	return &List{
		held: held,
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
	if list := s.awaitList(w, r); list != nil {
		s.admit(w, r, 0, func(w http.ResponseWriter, r *http.Request, t *task) { s.sendList(w, r, t, list) })
	}
}

// awaitList returns the current list. That may take a walk of the tree, which takes long if a file system
// hangs, so no room is taken meanwhile. If there is no list, awaitList responds itself and returns nil.
func (s *Server) awaitList(w http.ResponseWriter, r *http.Request) *List {
	if !s.lists.await() {
		s.refuse(w, r, busy("too many clients wait for a list: try again later"))
		return nil
	}
	defer s.lists.awaited()
	ctx, stop := s.sessions.WhileConnected(r, peerInterval)
	defer stop()
	list, err := s.catalog.List(ctx)
	if ctx.Err() != nil {
		abandon()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return nil
	}
	return list
}

// sendList responds with a list, as JSON or text.
func (s *Server) sendList(w http.ResponseWriter, r *http.Request, t *task, list *List) {
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

const (
	// maxListBytes is how much the lists that are being sent may take together, unless there is only one.
	// While files change, each second has another list of a megabyte or more (docs/facts.md, server), and a
	// client may take as long as it likes.
	maxListBytes = maxHeld
	// maxListWaiting is how many clients may wait for a list.
	maxListWaiting = 256
)

// lists counts the responses that wait for a list, and those that send each list. Its methods may be called
// concurrently.
type lists struct {
	mu      sync.Mutex
	waiting int
	sending map[*List]int
	held    int64 // bytes that the lists in sending take
}

// await counts a response that waits, unless too many do. The caller must then call awaited.
func (l *lists) await() (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting >= maxListWaiting {
		return false
	}
	l.waiting++
	return true
}

// awaited undoes await.
func (l *lists) awaited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
}

// begin counts a response, unless the lists would take too much together. The caller must then call end.
func (l *lists) begin(list *List) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending[list] == 0 {
		if len(l.sending) > 0 && l.held+list.held > maxListBytes {
			return false
		}
		l.held += list.held
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
		l.held -= list.held
	}
}
