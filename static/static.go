// Package static holds the page. xterm.js is among its files if make has put it
// there; a plain go build does without, and the page then shows plain text.
package static

import (
	"embed"
	"io/fs"
)

//go:embed index.html style.css *.js xterm
var files embed.FS

// FS returns the page's files: index.html, which holds {{title}} and {{nonce}} to
// be replaced, and what it loads from ./-/static/.
func FS() fs.FS { return files }
