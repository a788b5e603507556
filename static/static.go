// Package static holds the page's files.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
	"sync"
)

//go:embed *.html style.css *.js driver xterm
var files embed.FS

// The types of the page's files. The system's own table can't be relied on: it
// says text/plain for modules here and there, which browsers refuse.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8",
}

// Page returns a page, a template: index.html or files.html.
func Page(name string) []byte {
	page, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return page
}

// A File is one of the page's.
type File struct {
	Type string // its Content-Type
	Data []byte
	Gzip []byte // the same, compressed
}

// Open returns a file by its path. Each is compressed once, when it is first asked
// for.
func Open(name string) (File, bool) {
	kind := types[path.Ext(name)]
	data, err := files.ReadFile(name)
	if err != nil || kind == "" {
		return File{}, false
	}
	if packed, ok := compressed.Load(name); ok {
		return File{kind, data, packed.([]byte)}, true
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(data)
	w.Close()
	compressed.Store(name, b.Bytes())
	return File{kind, data, b.Bytes()}, true
}

var compressed sync.Map // what Open has compressed, by name

// Digest names this version of the files, so that they can be cached for ever.
var Digest = sync.OnceValue(func() string { return digest(files) })

func digest(files fs.FS) string {
	sum := sha256.New()
	fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if data, err := fs.ReadFile(files, name); err == nil {
			sum.Write([]byte(name))
			sum.Write(data)
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
