//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFileList(t *testing.T) {
	l := startFiles(t, "--include", "*.log", "--include", "deep/**", "--exclude", "secret*")
	l.write("old.log", "x")
	l.write("deep/er/new.txt", "12345")
	l.write("secret.log", "x")
	l.write("other.txt", "x")
	l.write(".hidden.log", "x")
	now := time.Now()
	os.Chtimes(filepath.Join(l.dir, "old.log"), now, now.Add(-time.Hour))
	resp, body := l.get("/", "Accept", "application/json")
	var list struct {
		Files []struct {
			Path string
			Size int64
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Files) != 2 ||
		list.Files[0].Path != l.dir+"/deep/er/new.txt" || list.Files[0].Size != 5 || list.Files[1].Path != l.dir+"/old.log" {
		t.Errorf("%s, %s, %v", resp.Status, body, err)
	}
	for name, want := range map[string]int{"old.log": 200, "deep/er/new.txt": 200, "secret.log": 404, "other.txt": 404, ".hidden.log": 404} {
		if resp, _ := l.get(name); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", name, resp.Status, want)
		}
	}
	if _, body := l.get("/"); strings.Count(body, "\n") != 2 || !strings.Contains(body, "new.txt") {
		t.Errorf("as text: %q", body)
	}
}

// TestUnlistedFilesCannotBeRead checks that files that aren't listed can't be read by any other
// name either.
func TestUnlistedFilesCannotBeRead(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &logFolder{dir: dir, instance: &instance{t: t}}
	for _, name := range []string{
		"a.log", "a.txt", ".a.log", ".git/a.log", "sub/a.log", "sub/.git/a.log", "sub/no/a.log", "sub/no/deep/a.log", "no/a.log",
		"given/.git/a.log", "file/no.log",
	} {
		l.write(name, name+"\n")
	}
	for link, target := range map[string]string{
		"to-sub": "sub", "to-sub-abs": dir + "/sub", "to-git": ".git", "to-git-abs": dir + "/sub/.git", "to-no": "sub/no", "to-deep": "to-no/deep",
		"sub/to-top": "..", "to-to-git": "to-git", "to-given": "given/.git", "to-loop": "to-loop", "to-out": "/etc",
		"hidden.log": ".a.log", "text.log": "a.txt", "a.lnk": "a.log", ".b.log": "a.log",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	// Some paths are given twice, or below one another. A path that is given may be read
	// whatever its name.
	l.instance = start(t, "files", "--include", "*.log", "--exclude", "no", "--exclude", "no.log", dir, dir+"/", dir+"/sub/..",
		dir+"/given/.git", dir+"/file/no.log", dir+"/file/no.log")
	_, body := l.get("/", "Accept", "application/json")
	var list struct{ Files []struct{ Path string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, f := range list.Files {
		listed = append(listed, strings.TrimPrefix(f.Path, dir+"/"))
	}
	slices.Sort(listed)
	if want := []string{"a.log", "file/no.log", "given/.git/a.log", "hidden.log", "sub/a.log", "text.log"}; !slices.Equal(listed, want) {
		t.Errorf("listed: %q, want %q", listed, want)
	}
	for name, want := range map[string]string{
		"a.log": "a.log", "sub/a.log": "sub/a.log", "hidden.log": ".a.log", "text.log": "a.txt",
		"given/.git/a.log": "given/.git/a.log", "file/no.log": "file/no.log",
		"to-sub/a.log": "sub/a.log", "to-sub-abs/a.log": "sub/a.log", "sub/to-top/a.log": "a.log",
		"to-sub/to-top/to-sub/a.log": "sub/a.log", "to-given/a.log": "given/.git/a.log",
		"a.txt": "", ".a.log": "", ".git/a.log": "", "sub/.git/a.log": "", "sub/no/a.log": "", "no/a.log": "", "a.lnk": "", ".b.log": "",
		"to-git/a.log": "", "to-git-abs/a.log": "", "to-no/a.log": "", "to-deep/a.log": "", "to-to-git/a.log": "",
		"sub/to-top/.a.log": "", "sub/to-top/no/a.log": "",
		"to-sub/.git/a.log": "", "to-sub/no/deep/a.log": "", "to-loop/a.log": "", "to-out/passwd": "", "to-out/a.log": "", "sub": "", "to-sub": "",
	} {
		code := 200
		if want == "" {
			want, code = "no such file", 404
		}
		if resp, body := l.get(name); resp.StatusCode != code || body != want+"\n" {
			t.Errorf("%s: %s, %q; want %q", name, resp.Status, body, want)
		}
	}
}

// TestOddNames checks that the list's link leads to the file, whatever the file's name is.
func TestOddNames(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &logFolder{dir: dir, instance: &instance{t: t}}
	names := []string{
		"a b", " ", "a%20b", "%", "%zz", "%2e%2e", "#", "a#b", "a?b", "?n=1", "a\nb", "a\r\nb", "\t", "\x01\x1b[31m", "\xff",
		"a\xc0\xafb", "ü", "u\u0308", "\u2028", "日本",
		"a:b", "http:", "javascript:alert(1)", "a;b", "a&b", "a+b", "a=b", "<script>", "\"", "'", "$(x)", "*", "[a", "{a}", "~",
		"a...", "-", "--n", "@", "a,b", "|", "😀",
		strings.Repeat("x", 255),
	}
	var given []string
	for _, name := range names {
		l.write(name+"/"+name, fmt.Sprintf("content of %q", name))
		given = append(given, name) // relative
	}
	l.write("file %\n\xff", "given")
	given = append(given, filepath.Join(dir, "file %\n\xff"), "./"+names[0]+"/", names[0]+"/"+names[0], dir+"/"+names[0])
	cmd := wsrun(append([]string{"files", "--"}, given...)...)
	cmd.Dir = dir
	l.instance = begin(t, cmd)
	_, body := l.get("/", "Accept", "application/json")
	var list struct{ Files []struct{ Path, Link string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"given": true}
	for _, name := range names {
		want[fmt.Sprintf("content of %q", name)] = true
	}
	index, err := url.Parse("http://" + l.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list.Files {
		link, err := index.Parse(f.Link)
		if err != nil {
			t.Errorf("%q: %v", f.Link, err)
			continue
		}
		resp, err := http.Get(link.String() + "?format=raw")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !want[string(body)] {
			t.Errorf("%q, %q: %s, %.80q, %v", f.Path, f.Link, resp.Status, body, err)
		}
		delete(want, string(body))
		link.Scheme, link.RawQuery = "ws", "tail=1"
		v := dial(t, link.String())
		if m, err := v.Next(t.Context()); err != nil || string(m.Payload) != string(body) {
			t.Errorf("%q by WebSocket: %q, %v", f.Link, m.Payload, err)
		}
		v.Close()
	}
	if len(want) > 0 {
		t.Errorf("not listed: %q", slices.Collect(maps.Keys(want)))
	}
	if _, body := l.get("/"); strings.Count(body, "\n") != len(list.Files) || strings.ContainsAny(body, "\x1b\r\x01") {
		t.Errorf("as text: %q", body)
	}
}
