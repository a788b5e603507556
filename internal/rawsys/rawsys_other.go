//go:build !linux

package rawsys

import (
	"io"
	"os"
)

// Reader returns a reader of f by ordinary calls.
func Reader(f *os.File) io.Reader {
	return struct{ io.Reader }{f} // without the rest of f's methods, which io.Copy prefers
}
