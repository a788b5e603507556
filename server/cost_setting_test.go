//go:build linux

package server

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"wsrun/test/launch"
)

// A costSetting is what all wsruns of a test share.
type costSetting struct {
	wsrun     string // the binary
	files     string // a directory
	cert, key string
}

// newCostSetting builds wsrun, and writes the files that it serves: as large and as many as a slow
// request needs, divided by scale.
func newCostSetting(t *testing.T, scale int) costSetting {
	t.Helper()
	os.ReadDir("../cli") // makes go test's cached results depend on what is not imported
	dir := t.TempDir()
	s := costSetting{files: filepath.Join(dir, "files"), cert: filepath.Join(dir, "cert"), key: filepath.Join(dir, "key")}
	certify(t, s.cert, s.key, "cost")
	var err error
	if s.wsrun, err = launch.Build(dir); err != nil {
		t.Fatal(err)
	}
	writeCostFiles(t, s.files, scale)
	writeManyFiles(t, filepath.Join(s.files, "many"), 20_000/scale)
	return s
}

// writeCostFiles writes the large files.
func writeCostFiles(t *testing.T, dir string, scale int) {
	t.Helper()
	os.MkdirAll(dir, 0o700)
	write := func(name string, lines int, compress bool) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out := io.WriteCloser(f)
		if compress {
			out, _ = gzip.NewWriterLevel(f, gzip.BestSpeed)
		}
		buffered := bufio.NewWriterSize(out, 64<<10)
		for i := range lines {
			buffered.WriteString(strconv.Itoa(i))
			buffered.WriteString(" line of a log with a number, of a hundred bytes or so, which is what many lines of logs have\n")
		}
		if err := buffered.Flush(); err != nil {
			t.Fatal(err)
		}
		out.Close()
	}
	write("big.log", 640_000/scale, false)
	write("old.gz", 300_000/scale, true)
	write("sparse.log", 0, false)
	if err := os.Truncate(filepath.Join(dir, "sparse.log"), 8<<30); err != nil {
		t.Fatal(err)
	}
}

// writeManyFiles writes n small files, 100 in each directory.
func writeManyFiles(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		name := filepath.Join(dir, strconv.Itoa(i/100), fmt.Sprintf("%d.log", i))
		if i%100 == 0 {
			os.MkdirAll(filepath.Dir(name), 0o700)
		}
		if err := os.WriteFile(name, []byte("a line\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
