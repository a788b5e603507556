//go:build unix

package cli

import (
	"bytes"
	"compress/gzip"
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

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A logFolder is a folder that wsrun files serves.
type logFolder struct {
	*running
	dir string
}

func startFiles(t *testing.T, args ...string) *logFolder {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &logFolder{start(t, append([]string{"files"}, append(args, dir)...)...), dir}
}

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

// get returns the answer to a request for a path below the folder, with the given
// headers, in pairs.
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

func (l *logFolder) open(path string, subprotocols ...string) *client.Viewer {
	l.t.Helper()
	return dial(l.t, "ws://"+l.addr+l.dir+"/"+path, subprotocols...)
}

// lines returns the numbers from a to b, a line each.
func lines(a, b int) string {
	var s strings.Builder
	for i := a; i <= b; i++ {
		fmt.Fprintln(&s, i)
	}
	return s.String()
}

func TestFileForms(t *testing.T) {
	l := startFiles(t)
	l.write("build.log", lines(1, 3000))
	l.write("colour.log", "\x1b[31mred\x1b[0m\r\n50 %\r100 %\r\n")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, lines(1, 2000))
	z.Close()
	l.write("old.log.gz", packed.String())
	long := strings.Repeat("x", 300_000)
	l.write("long.log", "needle"+long+"END\nother\nneedle2"+long+"\nlast needle\n")
	l.write("bad.log.gz", "no archive")
	l.write("huge.log", lines(1, 200_000))
	for _, tt := range []struct {
		path, want string
		code       int
		headers    []string
	}{
		{"build.log", lines(2001, 3000), 200, nil},
		{"build.log?n=2", lines(2999, 3000), 200, nil},
		{"build.log?n=all", lines(1, 3000), 200, nil},
		{"build.log?format=raw", lines(1, 3000), 200, nil},
		{"build.log?format=raw", "1\n2\n", 206, []string{"Range", "bytes=0-3"}},
		{"colour.log", "red\n100 %\n", 200, nil},
		{"colour.log?format=raw", "\x1b[31mred\x1b[0m\r\n50 %\r100 %\r\n", 200, nil},
		{"old.log.gz?n=2", lines(1999, 2000), 200, nil},
		{"old.log.gz?n=2&tail=1", lines(1999, 2000), 200, nil},
		{"old.log.gz", "a compressed file can't be followed\n", 400, []string{"Accept", "text/event-stream"}},
		{"old.log.gz?format=raw", packed.String(), 200, nil},
		{"build.log?n=all&grep=^29.5$", "2905\n2915\n2925\n2935\n2945\n2955\n2965\n2975\n2985\n2995\n", 200, nil},
		{"build.log?n=3&grep=299&invert=1", lines(2988, 2989) + "3000\n", 200, nil},
		{"build.log?n=3&grep=299", lines(2997, 2999), 200, nil},
		{"build.log?n=2&tail=0&format=raw", lines(2999, 3000), 200, nil},
		{"build.log?grep=x&invert=2", "bad invert=\"2\": want 1 or 0\n", 400, nil},
		{"long.log?n=all&grep=needle", "needle" + long + "END\nneedle2" + long + "\nlast needle\n", 200, nil},
		{"long.log?n=all&grep=needle&invert=1", "other\n", 200, nil},
		{"bad.log.gz", "the file can't be read", 500, nil},
		{"build.log?n=all&grep=2999", "2999\n", 200, nil},
		{"build.log?grep=(", "bad grep=\"(\": missing closing )\n", 400, nil},
		{"none.log", "no such file\n", 404, nil},
		{"", "no such file\n", 404, nil},
	} {
		resp, body := l.get(tt.path, tt.headers...)
		if resp.StatusCode != tt.code || body != tt.want && (tt.code != 500 || !strings.HasPrefix(body, tt.want)) {
			t.Errorf("%s: %s, %.80q; want %d, %.80q", tt.path, resp.Status, body, tt.code, tt.want)
		}
	}
	for path, want := range map[string]string{
		"build.log": lines(2001, 3000), "build.log?n=1": "3000\n", "build.log?n=all": lines(1, 3000), "build.log?n=all&grep=29": grep(lines(1, 3000), "29"),
	} {
		for _, sub := range []string{"", "wsrun.v1"} {
			data, _, err := watch(l.open(path, sub), func() {})
			if err != nil || string(data) != want {
				t.Errorf("WebSocket %q of %s: %d bytes, %v; want %d", sub, path, len(data), err, len(want))
			}
		}
	}
	for path, want := range map[string]string{"huge.log?tail=1&n=2": lines(199_999, 200_000), "huge.log?tail=1&n=2&grep=00": lines(199_900, 199_900) + lines(200_000, 200_000)} {
		c := l.open(path)
		var got string
		for !strings.HasSuffix(got, "200000\n") {
			m, err := c.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got += string(m.Payload)
		}
		if got != want {
			t.Errorf("the first viewer of %s: %d bytes, want %q", path, len(got), want)
		}
	}
	resp, page := l.get("build.log", "Accept", "text/html")
	if resp.StatusCode != 200 || !strings.Contains(page, `content="./`+strings.Repeat("../", strings.Count(l.dir, "/"))+`"`) {
		t.Errorf("the page: %s, %q", resp.Status, page)
	}
}

func grep(text, word string) string {
	var s strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			s.WriteString(line)
		}
	}
	return s.String()
}

// Followers of all kinds get the last lines, then what is appended, over a
// rotation; those of wsrun.v1 are told of that.
func TestFilesAreFollowed(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for two rotations")
	}
	l := startFiles(t)
	l.write("a.log", lines(1, 100))
	until := func(c *client.Viewer, want string) (data, events string) {
		for !strings.HasSuffix(data, want) {
			m, err := c.Next(t.Context())
			if err != nil {
				t.Fatalf("%v after %q, %q", err, data, events)
			}
			switch m.Event.(type) {
			case nil:
				data += string(m.Payload)
			case protocol.FileEvent:
				events += string(m.Payload)
			}
		}
		return data, events
	}
	v1, plain, filtered := l.open("a.log?tail=1&n=3", "wsrun.v1"), l.open("a.log?tail=1&n=2"), l.open("a.log?tail=1&n=all&grep=0$")
	if data, _ := until(v1, "100\n"); data != lines(98, 100) {
		t.Errorf("wsrun.v1 begins with %q", data)
	}
	if data, _ := until(plain, "100\n"); data != lines(99, 100) {
		t.Errorf("plain begins with %q", data)
	}
	if data, _ := until(filtered, "100\n"); data != grep(lines(1, 100), "0") {
		t.Errorf("filtered begins with %q", data)
	}
	l.append("a.log", "half a ")
	l.append("a.log", "line 0\n")
	for _, c := range []*client.Viewer{v1, plain, filtered} {
		if data, _ := until(c, "0\n"); data != "half a line 0\n" {
			t.Errorf("then %q", data)
		}
	}
	os.Rename(filepath.Join(l.dir, "a.log"), filepath.Join(l.dir, "a.log.1"))
	l.append("a.log.1", "late\n")
	l.append("a.log", "new 0\n")
	if data, events := until(v1, "new 0\n"); data != "late\nnew 0\n" || !strings.Contains(events, `"rotated"`) {
		t.Errorf("after a rotation %q, %q", data, events)
	}
	if data, _ := until(plain, "new 0\n"); data != "late\nnew 0\n" {
		t.Errorf("after a rotation %q", data)
	}
	os.Remove(filepath.Join(l.dir, "a.log"))
	os.Mkdir(filepath.Join(l.dir, "a.log"), 0o755)
	for {
		if m, err := v1.Next(t.Context()); err != nil {
			t.Fatal(err)
		} else if strings.Contains(string(m.Payload), `"gone","reason":"not a regular file"`) {
			break
		}
	}
	os.Remove(filepath.Join(l.dir, "a.log"))
	l.append("a.log", "back 0\n")
	if data, events := until(v1, "back 0\n"); data != "back 0\n" || !strings.Contains(events, `"back"`) {
		t.Errorf("when it is back: %q, %q", data, events)
	}
}

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

func TestFilesBadInput(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"files"}, "no path given"},
		{[]string{"files", "/no/such/path"}, "/no/such/path"},
		{[]string{"files", "/dev/null"}, "/dev/null"},
		{[]string{"files", "--include", "[", "/tmp"}, "["},
		{[]string{"files", "--size", "1x1", "/tmp"}, "unknown flag"},
	} {
		_, stderr, code := outcome(wsrun(tt.args...))
		if code != 125 || !strings.HasPrefix(stderr, "wsrun: ") || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "http://") {
			t.Errorf("%q: status %d, %q; want %q", tt.args, code, stderr, tt.want)
		}
	}
}

// The 257th file that is to be followed is refused, and the others go on.
func TestTooManyFiles(t *testing.T) {
	l := startFiles(t)
	const most = 256
	for i := range most + 1 {
		l.write(fmt.Sprint(i), "x\n")
	}
	for i := range most {
		c := l.open(fmt.Sprintf("%d?tail=1", i))
		if m, err := c.Next(t.Context()); err != nil || string(m.Payload) != "x\n" {
			t.Fatalf("file %d: %q, %v", i, m.Payload, err)
		}
	}
	if resp, body := l.get(fmt.Sprintf("%d?tail=1", most)); resp.StatusCode != 503 || !strings.Contains(body, "256 files") {
		t.Errorf("%s, %q", resp.Status, body)
	}
	if _, err := l.open(fmt.Sprintf("%d?tail=1", most), "wsrun.v1").Next(t.Context()); client.CloseCode(err) != protocol.CloseFull {
		t.Errorf("WebSocket: %v, want 1013", err)
	}
	second := l.open("0?tail=1")
	if m, err := second.Next(t.Context()); err != nil || string(m.Payload) != "x\n" {
		t.Errorf("one more viewer of a file that is followed: %q, %v", m.Payload, err)
	}
	if _, body := l.get(fmt.Sprint(most)); body != "x\n" {
		t.Errorf("a file that is not followed: %q", body)
	}
}

// What is not listed can't be had by any other name either.
func TestOnlyWhatIsShownCanBeRead(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &logFolder{dir: dir, running: &running{t: t}}
	for _, name := range []string{"a.log", "a.txt", ".a.log", ".git/a.log", "sub/a.log", "sub/.git/a.log", "sub/no/a.log", "sub/no/deep/a.log", "no/a.log", "given/.git/a.log", "file/no.log"} {
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
	// Some given twice, and below one another: what is given may be read whatever
	// its name.
	l.running = start(t, "files", "--include", "*.log", "--exclude", "no", "--exclude", "no.log", dir, dir+"/", dir+"/sub/..", dir+"/given/.git", dir+"/file/no.log", dir+"/file/no.log")
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
		"a.log": "a.log", "sub/a.log": "sub/a.log", "hidden.log": ".a.log", "text.log": "a.txt", "given/.git/a.log": "given/.git/a.log", "file/no.log": "file/no.log",
		"to-sub/a.log": "sub/a.log", "to-sub-abs/a.log": "sub/a.log", "sub/to-top/a.log": "a.log", "to-sub/to-top/to-sub/a.log": "sub/a.log", "to-given/a.log": "given/.git/a.log",
		"a.txt": "", ".a.log": "", ".git/a.log": "", "sub/.git/a.log": "", "sub/no/a.log": "", "no/a.log": "", "a.lnk": "", ".b.log": "",
		"to-git/a.log": "", "to-git-abs/a.log": "", "to-no/a.log": "", "to-deep/a.log": "", "to-to-git/a.log": "", "sub/to-top/.a.log": "", "sub/to-top/no/a.log": "",
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

// Whatever a file is called, the list's link leads to it.
func TestOddNames(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &logFolder{dir: dir, running: &running{t: t}}
	names := []string{
		"a b", " ", "a%20b", "%", "%zz", "%2e%2e", "#", "a#b", "a?b", "?n=1", "a\nb", "a\r\nb", "\t", "\x01\x1b[31m", "\xff", "a\xc0\xafb", "ü", "u\u0308", "\u2028", "日本",
		"a:b", "http:", "javascript:alert(1)", "a;b", "a&b", "a+b", "a=b", "<script>", "\"", "'", "$(x)", "*", "[a", "{a}", "~", "a...", "-", "--n", "@", "a,b", "|", "😀",
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
	l.running = begin(t, cmd)
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
