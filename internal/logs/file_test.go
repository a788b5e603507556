package logs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"wsrun/filetail"
)

// Whatever may hang with the file system happens at the pace that was given, which waits without a turn.
func TestFileIsDescribedAtItsPace(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := filetail.NewRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	l := New(Options{Root: root})
	defer l.Close()
	f, err := l.Open(t.Context(), filepath.ToSlash(filepath.Join(dir, "a.log")))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hung := errors.New("the file system hangs")
	pace := func(func() error) error { return hung }
	if _, err := f.Content(-1, Filter{}, pace); err != hung {
		t.Errorf("the whole content: %v", err)
	}
	if _, _, err := f.Bytes(pace); err != ErrNotFound {
		t.Errorf("the bytes: %v", err)
	}
	// What was read while its client left isn't matched or sent any more.
	left := errors.New("the client has left")
	if n, err := f.paced(func(read func() error) error { read(); return left }).ReadAt(make([]byte, 2), 0); n != 0 || err != left {
		t.Errorf("read at a pace that has failed: %d bytes, %v", n, err)
	}
	if n, err := f.paced(func(read func() error) error { return read() }).ReadAt(make([]byte, 3), 0); n != 2 || err != io.EOF {
		t.Errorf("read to the end: %d bytes, %v", n, err)
	}
}
