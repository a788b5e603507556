//go:build unix

package cli

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

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
		"build.log": lines(2001, 3000), "build.log?n=1": "3000\n", "build.log?n=all": lines(1, 3000),
		"build.log?n=all&grep=29": grep(lines(1, 3000), "29"),
	} {
		for _, sub := range [][]string{nil, {"wsrun.v1"}} {
			data, _, err := watch(l.open(path, sub...), func() {})
			if err != nil || string(data) != want {
				t.Errorf("WebSocket %q of %s: %d bytes, %v; want %d", sub, path, len(data), err, len(want))
			}
		}
	}
	for path, want := range map[string]string{
		"huge.log?tail=1&n=2":         lines(199_999, 200_000),
		"huge.log?tail=1&n=2&grep=00": lines(199_900, 199_900) + lines(200_000, 200_000),
	} {
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

// TestFilesAreFollowed checks that followers of each form get the last lines and then the
// appended ones, also across a rotation, and that wsrun.v1 viewers get the file's events.
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

func TestInvalidFilesArguments(t *testing.T) {
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

// TestTooManyFiles checks that following a 257th file is refused, and that the other files can
// still be followed.
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
	_, err := l.open(fmt.Sprintf("%d?tail=1", most), "wsrun.v1").Next(t.Context())
	if client.CloseCode(err) != protocol.CloseFull {
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

func TestFilesMetrics(t *testing.T) {
	l := startFiles(t)
	l.write("a.log", "one\ntwo\n")
	l.write("b.log", "three\n")
	a := l.open("a.log?tail=1", "wsrun.v1")
	filtered := l.open("a.log?tail=1&grep=one", "wsrun.v1")
	b := l.open("b.log?tail=1", "wsrun.v1")
	await := func(want map[string]float64) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			var wrong []string
			for name, v := range want {
				if got := l.metric(name); got != v {
					wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", name, got, v))
				}
			}
			if wrong == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q", wrong)
			}
		}
	}
	await(map[string]float64{
		`wsrun_files_followed{state="watched"}`: 3, `wsrun_files_followed{state="idle"}`: 0, "wsrun_files_filtered": 1,
		"wsrun_files_follows_total": 3, "wsrun_files_evictions_total": 0, `wsrun_viewers{kind="wsrun.v1"}`: 3,
		"wsrun_received_bytes_total": 8 + 8 + 6, "wsrun_ring_bytes": 8 + 4 + 6, "wsrun_ring_lines": 4, "wsrun_chunks_total": 3,
	})
	filtered.Close() // a filtered view ends with its last viewer
	b.Close()        // a file is still followed for a while
	l.append("a.log", "four\n")
	await(map[string]float64{
		`wsrun_files_followed{state="watched"}`: 1, `wsrun_files_followed{state="idle"}`: 1, "wsrun_files_filtered": 0,
		"wsrun_files_follows_total": 3, "wsrun_files_evictions_total": 1, `wsrun_viewers{kind="wsrun.v1"}`: 1,
		"wsrun_ring_bytes": 13 + 6, "wsrun_chunks_total": 4,
	})
	a.Close()
}
