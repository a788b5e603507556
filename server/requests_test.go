package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

// shortRun is a run of six lines, at times a second apart, and an unfinished one.
func shortRun(t *testing.T) *bench {
	t.Helper()
	b := serveStream(t, hub.Options{Kind: hub.Command}, Options{})
	for n, line := range []string{"one\r\n", "\x1b[31mtwo red\x1b[m\r\n", "three\rTHREE\r\n", "four\r\n", "five \x1b[1mbold\r\n", "six\x1b[m\r\n", "seven"} {
		b.Publish([]byte(line), time.UnixMilli(1_700_000_000_000+int64(n)*1000))
	}
	return b
}

func TestRequests(t *testing.T) {
	b := shortRun(t)
	b.end(3)
	for query, want := range map[string]string{
		"from=2&n=2":                         "two red\nTHREE\n",
		"from=6":                             "six\nseven",
		"from=7&n=5":                         "seven",
		"from=8":                             "",
		"from=1&n=0":                         "",
		"from=5&n=1&format=raw":              "five \x1b[1mbold\r\n",
		"at=1700000002000&n=1":               "THREE\n",
		"at=1700000001001&n=1":               "THREE\n",
		"at=2023-11-14T22:13:23Z&n=2":        "four\nfive bold\n",
		"at=2023-11-14T23:13:23+01:00&n=1":   "four\n",
		"at=1":                               "one\ntwo red\nTHREE\nfour\nfive bold\nsix\nseven",
		"at=2100-01-01T00:00:00Z":            "",
		"at=-1s":                             "",
		"grep=e$":                            "one\n",
		"grep=(?i)e$":                        "one\nTHREE\n",
		"grep=o&invert=1":                    "THREE\nsix\nseven",
		"grep=o&n=2":                         "four\nfive bold\n",
		"grep=o&n=2&context=1":               "THREE\nfour\nfive bold\nsix\n",
		"grep=o&n=0":                         "",
		"grep=x&context=1":                   "five bold\nsix\nseven",
		"grep=one|six&context=1":             "one\ntwo red\n--\nfive bold\nsix\nseven",
		"grep=one|six&context=99&invert=1":   "one\ntwo red\nTHREE\nfour\nfive bold\nsix\nseven",
		"grep=e&from=2&n=2":                  "two red\nfive bold\n",
		"grep=seven":                         "seven",
		"grep=31m":                           "",
		"grep=bold&format=raw":               "five \x1b[1mbold\r\n",
		"grep=o&format=raw&n=1":              "five \x1b[1mbold\r\n",
		"n=1&times=1":                        "2023-11-14T22:13:26.000Z seven",
		"from=1&n=1&times=1":                 "2023-11-14T22:13:20.000Z one\n",
		"n=1&times=0":                        "seven",
		"from=6&format=ndjson":               `{"line":6,"offset":56,"ms":1700000005000,"text":"six"}` + "\n" + `{"line":7,"offset":64,"ms":1700000006000,"text":"seven","open":true}` + "\n" + `{"exit":{"code":3,"signal":"","durationMs":0}}` + "\n",
		"from=2&n=1&format=ndjson":           `{"line":2,"offset":5,"ms":1700000001000,"text":"two red"}` + "\n",
		"grep=red&context=1&format=ndjson&n": `{"line":1,"offset":0,"ms":1700000000000,"context":true,"text":"one"}` + "\n" + `{"line":2,"offset":5,"ms":1700000001000,"text":"two red"}` + "\n" + `{"line":3,"offset":22,"ms":1700000002000,"context":true,"text":"THREE"}` + "\n" + `{"exit":{"code":3,"signal":"","durationMs":0}}` + "\n",
		"format=hits&grep=o":                 hits(1, 0, 2, 5, 4, 35, 5, 41) + done(4, 7),
		"format=hits&grep=o&from=2":          hits(2, 5, 4, 35, 5, 41) + done(3, 6),
		"format=hits&grep=o&back=1":          hits(5, 41, 4, 35, 2, 5, 1, 0) + done(4, 7),
		"format=hits&grep=o&back=1&from=2":   hits(2, 5, 1, 0) + done(2, 2),
		"format=hits&grep=o&invert=1&from=5": hits(6, 56, 7, 64) + done(2, 3),
		"format=hits&grep=o&from=9":          done(0, 0),
		"format=hits&grep=seven&at=1":        hits(7, 64) + done(1, 7),
	} {
		if resp, got := b.get("/?" + strings.ReplaceAll(query, "+", "%2B")); resp.StatusCode != 200 || got != want {
			t.Errorf("%s: %s %q, want %q", query, resp.Status, got, want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	b := shortRun(t)
	for query, want := range map[string]string{
		"from=0": "from: expected a line number, starting at 1", "from=-1": "from: expected a line number, starting at 1",
		"from=x": "from: expected a line number, starting at 1", "from=": "from: expected a line number, starting at 1",
		"from=1&at=1": "from and at:", "from=1&epoch=E&offset=1": "offset:", "at=5x": "at: expected a time", "context=100&grep=x": "bad context",
		"grep=(": "bad grep", "grep=" + strings.Repeat("x", 1025): "bad grep", "grep=((a{100}){100}){100}": "bad grep", "grep=(x{1000}){11}": "bad grep",
		"format=hits": "format=hits: expected", "format=slice": "format=slice: expected", "format=slice&from=1&n=all": "format=slice: expected",
		"format=slice&from=1&n=10001": "format=slice: expected", "format=slice&from=1&n=1&until=5": "format=slice: expected", "format=xml": "bad format",
	} {
		if resp, got := b.get("/?" + query); resp.StatusCode != 400 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s %q, want %q", query, resp.Status, got, want)
		}
	}
}

// hits returns the objects of hits, given as numbers and offsets of lines.
func hits(places ...int) string {
	var b strings.Builder
	for i := 0; i < len(places); i += 2 {
		fmt.Fprintf(&b, `{"hit":{"line":%d,"offset":%d}}`+"\n", places[i], places[i+1])
	}
	return b.String()
}

func done(hits, lines int) string {
	return fmt.Sprintf(`{"done":{"hits":%d,"lines":%d}}`+"\n", hits, lines)
}

func TestSlice(t *testing.T) {
	b := shortRun(t)
	b.Emit(broadcaster.Resize{Cols: 90, Rows: 20})
	b.end(3)
	epoch := `{"epoch":"` + b.Epoch() + `",`
	for query, want := range map[string]string{
		"from=2&n=2": `"offset":5,"line":2,"end":35,"next":35,"cols":0,"rows":0,"prelude":"","times":[[5,1700000001000],[22,1700000002000]],"events":[]}` +
			"\n\x1b[31mtwo red\x1b[m\r\nthree\rTHREE\r\n",
		"epoch=EPOCH&offset=51&n=1": `"offset":51,"line":5,"end":56,"next":56,"cols":0,"rows":0,"prelude":"\u001b[0;1m","times":[[41,1700000004000]],"events":[]}` + "\nold\r\n",
		"epoch=EPOCH&offset=60&n=1": `"offset":60,"line":6,"end":64,"next":64,"cols":0,"rows":0,"prelude":"\u001b[0;1m\u001b","times":[[56,1700000005000]],"events":[]}` + "\n[m\r\n",
		"from=7": `"offset":64,"line":7,"end":69,"next":69,"cols":0,"rows":0,"prelude":"","times":[[64,1700000006000]],"events":` +
			`[[69,{"event":"resize","cols":90,"rows":20}],[69,{"event":"exit","code":3,"signal":"","durationMs":0}]]}` + "\nseven",
		"at=1700000004500&until=1700000005500": `"offset":56,"line":6,"end":64,"next":64,"cols":0,"rows":0,"prelude":"\u001b[0;1m","times":[[56,1700000005000]],"events":[]}` + "\nsix\x1b[m\r\n",
		"from=100":                             `"offset":69,"line":7,"end":69,"next":69,"cols":90,"rows":20,"prelude":"","times":[[64,1700000006000]],"events":[]}` + "\n",
	} {
		resp, got := b.get("/?format=slice&" + strings.ReplaceAll(query, "EPOCH", b.Epoch()))
		if got, ok := strings.CutPrefix(got, epoch); resp.StatusCode != 200 || !ok || got != want {
			t.Errorf("%s: %s\n%q, want\n%q", query, resp.Status, got, want)
		}
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be stored", query)
		}
	}
	for _, query := range []string{"epoch=other&offset=0", "epoch=EPOCH&offset=70"} {
		if resp, _ := b.get("/?format=slice&" + strings.ReplaceAll(query, "EPOCH", b.Epoch())); resp.StatusCode != 410 {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
}

// A line that the ring has dropped is reported missing, in the form that the client asked for.
func TestStartsThatAreGone(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 2})}, Options{})
	for n := range 100_000 { // more than the ring keeps for those who are a little late
		fmt.Fprintf(b, "%d\n", n+1)
	}
	b.end(0)
	if resp, got := b.get("/?from=99997"); got != "[wsrun: 2 lines skipped]\n99999\n100000\n" {
		t.Errorf("text: %s %q", resp.Status, got)
	}
	if _, got := b.get("/?from=99997&format=ndjson&n=1"); !strings.HasPrefix(got, `{"gap":{"lines":2,"bytes":0}}`+"\n"+`{"line":99999,`) {
		t.Errorf("NDJSON: %q", got)
	}
	if _, got := b.get("/?from=99997&n=1", "Accept", "text/event-stream"); !strings.HasPrefix(got, "event: reset\n") || !strings.Contains(got, "data: 99999\n") {
		t.Errorf("events: %q", got)
	}
	if resp, _ := b.get("/?from=99997&format=raw"); resp.StatusCode != http.StatusGone {
		t.Errorf("raw: %s", resp.Status)
	}
	if got := transcript(t, b.dial("?from=99997", protocol.Subprotocol)); !strings.Contains(got, "line 99999; 99999\n100000\n; exit 0; 1000") {
		t.Errorf("wsrun.v1: %q", got)
	}
}

// Clients that follow wait for a line or a time that is still to come.
func TestStartsAhead(t *testing.T) {
	b := serveStream(t, hub.Options{}, Options{})
	b.Publish([]byte("one\ntwo\nthr"), time.UnixMilli(1000))
	type follower struct {
		query, header, want string
		body                *bufio.Reader
	}
	followers := []*follower{
		{query: "from=4&n=1&tail=1", want: "four\n"},
		{query: "from=4&n=1&tail=1&format=raw", want: "four\n"},
		{query: "at=5000&tail=1&n=1&times=1", want: "1970-01-01T00:00:06.000Z five\n"},
		{query: "from=4&n=1&tail=1&format=ndjson", want: `{"line":4,"offset":14,"ms":2000,"text":"four"}` + "\n"},
		{query: "from=4&n=1", header: "text/event-stream", want: "id: 19\ndata: four\n\n"},
		{query: "from=2&n=2&tail=1&grep=e$", want: "three\nfive\n"},
	}
	for _, f := range followers {
		r, _ := http.NewRequest("GET", "http://"+b.addr+"/?"+f.query, nil)
		r.Header.Set("Accept", f.header)
		resp, err := b.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		f.body = bufio.NewReader(resp.Body)
	}
	v1 := b.dial("?from=4&n=1", protocol.Subprotocol)
	if m, err := v1.Next(t.Context()); err != nil || m.Event.(protocol.HelloEvent).Offset != 11 {
		t.Fatalf("%s, %v", m.Payload, err)
	}
	b.Publish([]byte("ee\nfour\n"), time.UnixMilli(2000))
	b.Publish([]byte("five\n"), time.UnixMilli(6000))
	for _, f := range followers {
		var got strings.Builder
		if _, err := f.body.WriteTo(&got); err != nil || got.String() != f.want {
			t.Errorf("%s: %q, %v, want %q", f.query, got.String(), err, f.want)
		}
	}
	if got := transcript(t, v1); got != "skip 14 line 4; four\n; 1000" {
		t.Errorf("wsrun.v1: %q", got)
	}
}

// A WebSocket with a filter gets the lines that match, and learns what was left out.
func TestFilteredWebSockets(t *testing.T) {
	b := shortRun(t)
	b.end(3)
	for query, want := range map[string]string{
		"?grep=o":                "hello 0 line 1; one\r\n; \x1b[31mtwo red\x1b[m\r\n; skip 35 line 4; four\r\n; five \x1b[1mbold\r\n; exit 3; 1000",
		"?grep=six":              "hello 0 line 1; skip 56 line 6 \x1b[0;1m; six\x1b[m\r\n; exit 3; 1000",
		"?grep=o&n=1":            "hello 41 line 5; five \x1b[1mbold\r\n; exit 3; 1000",
		"?grep=o&from=1&n=1":     "hello 0 line 1; one\r\n; 1000",
		"?from=6&n=1":            "hello 56 line 6 \x1b[0;1m; six\x1b[m\r\n; 1000",
		"?grep=nothing":          "hello 0 line 1; exit 3; 1000",
		"?grep=wo&context=1":     "hello 0 line 1; one\r\n; \x1b[31mtwo red\x1b[m\r\n; three\rTHREE\r\n; exit 3; 1000",
		"?grep=seven&invert=1":   "hello 0 line 1; one\r\n\x1b[31mtwo red\x1b[m\r\nthree\rTHREE\r\nfour\r\nfive \x1b[1mbold\r\nsix\x1b[m\r\n; exit 3; 1000",
		"?from=9":                "hello 69 line 7; exit 3; 1000",
		"?at=1700000006000&n=10": "hello 64 line 7; seven; exit 3; 1000",
	} {
		v := b.dial(query, protocol.Subprotocol)
		if got := transcript(t, v); got != want {
			t.Errorf("%s:\n%q, want\n%q", query, got, want)
		}
	}
}

// A size is sent at its place in the output, also where the filter has to wait for the end of a line.
func TestSizesInFilteredOutput(t *testing.T) {
	b := serveStream(t, hub.Options{}, Options{})
	v := b.dial("?grep=o", protocol.Subprotocol)
	if _, err := v.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"no", "", " one\ntwo", "", "", "th", "ree\nst", "", "ill\n"} {
		if part == "" {
			b.Emit(broadcaster.Resize{Cols: 80 + len(part), Rows: 24})
		}
		b.Write([]byte(part))
		b.Flush()
	}
	b.end(0)
	if got := transcript(t, v); got != "no; 80x24;  one\n; two; three\n; exit 0; 1000" {
		t.Errorf("%q", got)
	}
}

// A line that comes in parts is matched as a whole, in each form that follows.
func TestFiltersAwaitWholeLines(t *testing.T) {
	b := serveStream(t, hub.Options{}, Options{})
	v := b.dial("?grep=key", protocol.Subprotocol)
	if _, err := v.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	var bodies []io.ReadCloser
	for _, query := range []string{"?grep=key&tail=1&n=0", "?grep=key&tail=1&n=0&format=raw"} {
		resp, err := b.client().Get("http://" + b.addr + "/" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		bodies = append(bodies, resp.Body)
	}
	begin := strings.Repeat("a long beginning ", 500)
	for range 5 {
		b.Write([]byte(begin))
		b.Flush()
		time.Sleep(20 * time.Millisecond) // they wait
	}
	b.Write([]byte("key\n"))
	b.end(0)
	want := strings.Repeat(begin, 5) + "key\n"
	if got := transcript(t, v); strings.ReplaceAll(got, "; ", "") != want+"exit 01000" {
		t.Errorf("wsrun.v1: %d bytes", len(got))
	}
	for _, body := range bodies {
		if got, err := io.ReadAll(body); string(got) != want || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

func TestRequestsForFiles(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte("one\ntwo\nthree\nfour\nfive"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := dir + "/a.log?"
	for query, want := range map[string]string{
		"from=2&n=2":            "two\nthree\n",
		"from=6":                "",
		"from=5":                "five",
		"grep=o&context=1&n=1":  "three\nfour\nfive",
		"grep=o&n=2&times=1":    "- two\n- four\n",
		"n=2&format=ndjson":     `{"line":4,"offset":14,"text":"four"}` + "\n" + `{"line":5,"offset":19,"text":"five","open":true}` + "\n",
		"from=3&n=1&format=raw": "three\n",
	} {
		if resp, got := b.get(path + query); resp.StatusCode != 200 || got != want {
			t.Errorf("%s: %s %q, want %q", query, resp.Status, got, want)
		}
	}
	for _, query := range []string{"at=-1h", "at=-1h&tail=1"} {
		if resp, got := b.get(path + query); resp.StatusCode != 400 {
			t.Errorf("%s: %s %q", query, resp.Status, got)
		}
	}
	if resp, got := b.get(path + "format=status"); resp.StatusCode != 200 || !regexp.MustCompile(`"kind":"file"`).MatchString(got) {
		t.Errorf("status: %s %q", resp.Status, got)
	}
	v := b.dial(strings.TrimPrefix(path, "/")+"from=2&n=2", protocol.Subprotocol)
	if got := transcript(t, v); got != "hello 4 line 2; two\n; three\n; 1000" {
		t.Errorf("wsrun.v1: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.log"), []byte("one\n\x1b[31mtwo\nthree\x1b[m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v = b.dial(strings.TrimPrefix(dir, "/")+"/b.log?from=3", protocol.Subprotocol)
	if got := transcript(t, v); got != "hello 13 line 3 \x1b[0;31m; three\x1b[m\n; 1000" {
		t.Errorf("wsrun.v1 from within coloured output: %q", got)
	}
}

// transcript returns what a viewer of wsrun.v1 gets, in short.
func transcript(t *testing.T, v *client.Viewer) string {
	t.Helper()
	var said []string
	for {
		m, err := v.Next(t.Context())
		if err != nil {
			return strings.Join(append(said, fmt.Sprint(client.CloseCode(err))), "; ")
		}
		switch e := m.Event.(type) {
		case nil:
			said = append(said, string(m.Payload))
		case protocol.HelloEvent:
			said = append(said, strings.TrimSpace(fmt.Sprintf("hello %d line %d %s", e.Offset, e.Line, e.Prelude)))
		case protocol.SkipEvent:
			said = append(said, strings.TrimSpace(fmt.Sprintf("skip %d line %d %s", e.Offset, e.Line, e.Prelude)))
		case protocol.ResizeEvent:
			said = append(said, fmt.Sprintf("%dx%d", e.Cols, e.Rows))
		case protocol.ExitEvent:
			said = append(said, fmt.Sprintf("exit %d", e.Code))
		}
	}
}

// What the ring has dropped, and the history doesn't have yet, can be reached, too.
func TestStartsBetweenRingAndHistory(t *testing.T) {
	b := serveStream(t, past(t), Options{})
	for n := range 30_000 {
		b.Publish(fmt.Appendf(nil, "%d\n", n+1), time.UnixMilli(1_700_000_000_000+int64(n)))
		if n%1000 == 0 { // the ring drops some times of a flood
			wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return b.hub.History.End().Offset >= b.Stats().End-2*64<<10 })
		}
	}
	for line := 20_001; line <= 30_000; line += 97 {
		want := fmt.Sprintf("%d\n", line)
		for _, query := range []string{"from=%d&n=1", "from=%d&n=1&format=raw"} {
			if _, got := b.get(fmt.Sprintf("/?"+query, line)); got != want {
				t.Errorf("from line %d: %q", line, got)
			}
		}
		if _, got := b.get(fmt.Sprintf("/?at=%d&n=1", 1_700_000_000_000+line-1)); got != want {
			t.Errorf("from the time of line %d: %q", line, got)
		}
		at := time.UnixMilli(1_700_000_000_000 + int64(line) - 1).UTC().Format(timeLayout)
		if _, got := b.get(fmt.Sprintf("/?from=%d&n=1&times=1", line)); got != at+" "+want {
			t.Errorf("line %d with its time: %q, want %s", line, got, at)
		}
		if _, got := b.get(fmt.Sprintf("/?format=hits&grep=^%d$&from=%d", line, line-3)); !strings.Contains(got, fmt.Sprintf(`{"line":%d,`, line)) {
			t.Errorf("hit in line %d: %q", line, got)
		}
	}
	hello, err := b.dial("?from=1", protocol.Subprotocol).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if times := hello.Event.(protocol.HelloEvent).Times; len(times) != 4096 || times[0][1] != 1_700_000_000_000+30_000-4096 {
		t.Errorf("%d times from %v on", len(times), times[:min(len(times), 1)])
	}
	if _, got := b.get("/?n=5000"); !strings.HasPrefix(got, "25001\n") {
		t.Errorf("the last 5,000 lines begin with %.10q", got)
	}
	if _, got := b.get("/?n=3&grep=7777$"); got != "7777\n17777\n27777\n" {
		t.Errorf("the last 3 that match: %q", got)
	}
	if _, got := b.get("/?n=100000&grep=7777$"); got != "7777\n17777\n27777\n" {
		t.Errorf("many of those that match: %q", got)
	}
	if _, got := b.get("/?n=29000&grep=."); !strings.HasPrefix(got, "1001\n") || strings.Count(got, "\n") != 29_000 {
		t.Errorf("29,000 of those that match: %.20q", got)
	}
	if _, got := b.get("/?n=all"); strings.Count(got, "\n") != 30_000 {
		t.Errorf("all: %d lines", strings.Count(got, "\n"))
	}
}

// A line that is longer than the ring begins where it does, not where the ring does.
func TestStartInALineLongerThanTheRing(t *testing.T) {
	b := serveStream(t, past(t), Options{})
	long := strings.Repeat("y", 300<<10) + "END\n"
	b.Write([]byte("first\n" + long + "last\n"))
	b.Flush()
	if _, got := b.get("/?from=2&n=1&format=raw"); got != long {
		t.Errorf("%d bytes, want %d", len(got), len(long))
	}
	if _, got := b.get("/?from=2&n=1&format=hits&grep=."); got != hits(2, 6)+done(1, 2) && got != hits(2, 6)+done(1, 1) {
		t.Errorf("hits: %q", got)
	}
}

// A client that resumes goes on after what it has, with what it has asked for.
func TestEventsResumeWithFilters(t *testing.T) {
	b := serveStream(t, hub.Options{}, Options{})
	for n := range 100 {
		fmt.Fprintf(b, "%d\n", n+1)
	}
	b.Flush()
	offset := len("1\n")*9 + len("10\n")*81 // after line 90
	b.end(0)
	lines := regexp.MustCompile(`data: (\d+)\n`)
	for query, want := range map[string]string{
		"grep=9&n=0":             "91 92 93 94 95 96 97 98 99",
		"grep=^9&n=3&context=20": "91 92 93 94 95 96 97 98 99 100",
		"from=5":                 "91 92 93 94 95 96 97 98 99 100",
		"from=5&n=90":            "91 92 93 94",
		"from=1&n=11&grep=9":     "91",
		"from=5&n=86":            "204 No Content",
		"from=1&n=5&grep=9":      "204 No Content",
	} {
		resp, body := b.get("/?"+query, "Accept", "text/event-stream", "Last-Event-ID", fmt.Sprint(offset))
		var got []string
		for _, m := range lines.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		if resp.StatusCode == 204 {
			got = []string{resp.Status}
		}
		if strings.Join(got, " ") != want || strings.Contains(body, "event: reset") {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// Hits from an offset on, some hits, and those above what can be reached.
func TestHitsFromAnOffset(t *testing.T) {
	b := shortRun(t)
	b.end(0)
	for query, want := range map[string]string{
		"epoch=EPOCH&offset=35&grep=o":        hits(4, 35, 5, 41) + done(2, 4),
		"epoch=EPOCH&offset=35&grep=o&back=1": hits(4, 35, 2, 5, 1, 0) + done(3, 4),
		"epoch=other&offset=35&grep=o":        hub.ErrGone.Error() + "\n",
		"epoch=EPOCH&offset=700&grep=o":       hub.ErrGone.Error() + "\n",
	} {
		if _, got := b.get("/?format=hits&" + strings.ReplaceAll(query, "EPOCH", b.Epoch())); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if _, got := b.get("/?format=hits&grep=o&from=2&n=2"); !strings.HasPrefix(got, hits(2, 5, 4, 35)+`{"done":{"hits":2,`) {
		t.Errorf("two hits: %q", got)
	}
}

// A time that is still to come begins with a whole line.
func TestTimeAheadWithinALine(t *testing.T) {
	b := serveStream(t, hub.Options{}, Options{})
	b.Publish([]byte("one\nabc"), time.UnixMilli(1000))
	resp, err := b.client().Get("http://" + b.addr + "/?at=5000&tail=1&n=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b.Publish([]byte("def\nghi\n"), time.UnixMilli(6000))
	if got, err := io.ReadAll(resp.Body); string(got) != "ghi\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
