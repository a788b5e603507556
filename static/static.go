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

// types are the content types of the page's files, by ending. Go's mime package uses the
// system's table, which on some systems has text/plain for modules; browsers refuse that.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8",
}

// Page returns the template of a page: index.html or files.html. It panics for another
// name.
func Page(name string) []byte {
	page, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the pages are embedded
	}
	return page
}

// A File is one of the page's files.
type File struct {
	Type string // the Content-Type
	Data []byte
	Gzip []byte // the same data, compressed
}

// Open returns a file by its path; ok is false if there is none of a known type. All callers share
// the file's data, which must not be changed. Open may be called concurrently.
func Open(name string) (file File, ok bool) {
	open, ok := all()[name]
	if !ok {
		return File{}, false
	}
	return open(), true
}

// all returns functions that read the files, by name. A file is read and compressed once, when it is
// first opened: [embed.FS] makes a copy each time.
var all = sync.OnceValue(func() map[string]func() File {
	byName := map[string]func() File{}
	fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if kind := types[path.Ext(name)]; err == nil && !d.IsDir() && kind != "" {
			byName[name] = sync.OnceValue(func() File { return read(name, kind) })
		}
		return nil
	})
	return byName
})

// read reads a file, which exists.
func read(name, kind string) File {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the files are embedded
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(data)
	w.Close()
	return File{kind, data, bytes.Clone(b.Bytes())}
}

// Digest returns a name for this version of the files, so that clients can cache them
// forever.
var Digest = sync.OnceValue(func() string { return digest(files) })

// digest hashes the names and contents of all files.
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
