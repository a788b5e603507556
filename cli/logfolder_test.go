//go:build unix

package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsrun/internal/client"
)

// A logFolder is a folder that wsrun files serves.
type logFolder struct {
	*instance
	dir string
}

// startFiles starts wsrun files on a new folder.
func startFiles(t *testing.T, args ...string) *logFolder {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &logFolder{start(t, append([]string{"files"}, append(args, dir)...)...), dir}
}

// write writes a file of the folder and returns its path.
func (l *logFolder) write(name, content string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// append appends to a file of the folder.
func (l *logFolder) append(name, content string) {
	l.t.Helper()
	f, err := os.OpenFile(filepath.Join(l.dir, name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		l.t.Fatal(err)
	}
}

// get sends a GET request for a path below the folder, or for the list at /, with headers given
// in pairs, and returns the response and its body.
func (l *logFolder) get(path string, headers ...string) (*http.Response, string) {
	l.t.Helper()
	if path != "/" {
		path = l.dir + "/" + path
	}
	r, err := http.NewRequest("GET", "http://"+l.addr+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp, string(body)
}

// open connects a viewer of a path below the folder: one of wsrun.v1, or a plain one if there is
// no subprotocol.
func (l *logFolder) open(path string, subprotocols ...string) *client.Viewer {
	l.t.Helper()
	return dial(l.t, "ws://"+l.addr+l.dir+"/"+path, subprotocols...)
}

// lines returns the numbers from a to b, one per line.
func lines(a, b int) string {
	var s strings.Builder
	for i := a; i <= b; i++ {
		fmt.Fprintln(&s, i)
	}
	return s.String()
}

// grep returns the lines of text that contain word.
func grep(text, word string) string {
	var s strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			s.WriteString(line)
		}
	}
	return s.String()
}
