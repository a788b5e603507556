package server

import (
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"

	"rsc.io/qr"

	"wsrun/internal/access"
	"wsrun/static"
)

// policy is the page's Content-Security-Policy. xterm.js creates style elements, hence the
// nonce, and sets style attributes, hence 'unsafe-inline' for those.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"style-src-elem 'self' 'nonce-NONCE'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// pageOf returns the file name of the page that shows a target.
func pageOf(t Target) string {
	if t == AList {
		return "files.html"
	}
	return "index.html"
}

// servePage serves a page. Pages hold no output, so clients without credentials may have
// them: the page itself then asks for the token or password.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, name, title string) {
	login := "token"
	if s.o.Users != nil {
		login = "password"
	}
	// Links are relative, so that a proxy can serve the page below any path.
	base := "./" + strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1)
	nonce := rand.Text()
	page := strings.NewReplacer("{{nonce}}", nonce, "{{title}}", html.EscapeString(title), "{{login}}", login,
		"{{base}}", base, "{{static}}", base+"-/static/"+static.Digest()).Replace(string(static.Page(name)))
	csp := strings.Replace(policy, "NONCE", nonce, 1)
	if s.guard.Embeddable(r) {
		csp = strings.Replace(csp, "frame-ancestors 'none'", "frame-ancestors "+strings.Join(s.o.AllowOrigins, " "), 1)
		w.Header().Del("X-Frame-Options")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", csp)
	io.WriteString(w, page)
}

// serveStatic serves the page's files. Their URLs contain a digest of all of them, so
// browsers may cache them forever.
func (s *Server) serveStatic(w http.ResponseWriter, r *http.Request) {
	file, ok := static.Open(r.PathValue("name"))
	if !ok || r.PathValue("digest") != static.Digest() {
		s.notFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.Type)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	data := file.Data
	if access.HeaderHas(r.Header, "Accept-Encoding", "gzip") {
		h.Set("Content-Encoding", "gzip")
		data = file.Gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data)
}

// maxQR is the longest text, in bytes, that serveQR encodes. The densest QR code holds
// 2,953 bytes (ISO/IEC 18004), but cameras can't read that one from a screen.
const maxQR = 500

// serveQR draws the query's text as a QR code, in SVG.
func (s *Server) serveQR(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	if text == "" || len(text) > maxQR {
		s.refuse(w, r, badRequest(fmt.Sprintf("want a text of 1 to %d bytes", maxQR)))
		return
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		s.refuse(w, r, badRequest(err.Error()))
		return
	}
	const margin = 4 // in modules: the quiet zone of ISO/IEC 18004, section 6.3.8
	size := code.Size + 2*margin
	w.Header().Set("Content-Type", "image/svg+xml")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[1]d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="`, size)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(w, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	io.WriteString(w, `"/></svg>`)
}
