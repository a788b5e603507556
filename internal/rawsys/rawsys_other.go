//go:build !linux

// Package rawsys makes raw system calls on Linux only; elsewhere its reader uses ordinary ones.
package rawsys

import (
	"io"
	"os"
)

// Reader returns a reader of f that uses ordinary calls. The reader has no methods but Read,
// and doesn't close f.
func Reader(f *os.File) io.Reader {
	return struct{ io.Reader }{f} // hides f's WriteTo, which io.Copy would prefer
}
