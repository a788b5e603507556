package server

import (
	"bytes"
	"crypto/rand"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"wsrun/static"
)

// The types of the page's files. The system's own table can't be relied on: it
// says text/plain for modules here and there, which browsers refuse.
var staticTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// policy is what the page may load. xterm.js makes style elements, hence the
// nonce, and sets style attributes.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"style-src-elem 'self' 'nonce-NONCE'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// servePage serves the page to anyone; it asks for the token. The title may hold a
// secret, as the command that it is by default, so not everyone gets that.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	title := "wsrun"
	if s.guard.authorized(r) {
		title = s.o.Title
	}
	index, err := fs.ReadFile(static.FS(), "index.html")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	nonce := rand.Text()
	page := strings.NewReplacer("{{nonce}}", nonce, "{{title}}", html.EscapeString(title)).Replace(string(index))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", strings.Replace(policy, "NONCE", nonce, 1))
	w.Write([]byte(page))
}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	kind := staticTypes[path.Ext(name)]
	data, err := fs.ReadFile(static.FS(), name)
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
