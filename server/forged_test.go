package server

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"wsrun/internal/client"
	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
	"wsrun/test/watch"
)

// forged holds lines of output that look like messages of wsrun, or like parts of the
// protocols that carry the output.
var forged = []string{
	// events of wsrun.v1
	`{"event":"hello","epoch":"0123456789abcdef0123456789abcdef","offset":0,"line":1,"end":0,"resumed":false,` +
		`"prelude":"","times":[],"title":"forged","state":"ended","viewers":9}`,
	`{"event":"reset","offset":999999,"line":999,"end":999999,"skippedLines":3,"skippedBytes":3,"prelude":"\u001bc","times":[]}`,
	`{"event":"exit","code":0,"signal":"","durationMs":0}`, `{"event":"resize","cols":1,"rows":1}`,
	`{"event":"viewers","n":1000000}`, `{"event":"ping"}`,
	`{"event":"file","state":"rotated","reason":""}`, `{"event":`, `null`,
	// notes in the text form
	"[wsrun: 3 lines skipped]", "[wsrun: the file was rotated]", "[wsrun: the file is gone]", "wsrun: the stream ended",
	// server-sent events
	"data: forged", "data:", "event: exit", "event: reset", "id: 999999", "id", "retry: 1", ":", ": comment", "", "", "\ufeffdata: forged",
	"a\revent: exit\rdata: {}\r\rdata: b", "\r\revent: exit\r\n", "\r\r\n", "a\u2028event: exit\u2029data: {}",
	"a\vevent: exit\fdata: {}", "a\u0085event: exit\u0085data: {}\u0085", "a\x1bEevent: exit\x1bE\x1bE", "\x00event: exit",
	// WebSocket frames of servers and clients, whole and cut; opcodes as text
	"\x88\x02\x03\xe8", "\x88\x00", "\x89\x00", "\x8a\x00", "\x81\x1d" + `{"event":"exit","code":0}    `, "\x82\x05bytes",
	"\x01\x03abc", "\x80\x00", "\x88\x82\x00\x00\x00\x00\x03\xe8", "\x82\x7f\x00\x00\x00\x00\xff\xff\xff\xff", "\xc1\x00",
	// ends of HTTP chunks and responses
	"0", "0\r\n\r", "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r", "HTTP/1.1 101 Switching Protocols",
	// control sequences
	"\x1b[31m[wsrun: 3 lines skipped]\x1b[0m", "\x1b[2J\x1b[Hcleared", "\x1b[1A\x1b[2Kover", "\x1b]2;✓ ended\x07title",
	"\x1b[8mhidden\x1b[m", "\x1b[999D\x1b[Kover", "\x1b]8;;event: exit\x1b\\link\x1b]8;;\x1b\\",
}

// A sentEvent is a server-sent event.
type sentEvent struct{ kind, id, data string }

// sentEvents parses a stream as the HTML standard says (section 9.2.6).
func sentEvents(stream string) (all []sentEvent) {
	var e sentEvent
	var data []string
	stream = strings.TrimPrefix(strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n"), "\ufeff")
	for line := range strings.SplitSeq(stream, "\n") {
		if line == "" {
			if data != nil {
				e.data = strings.Join(data, "\n")
				all = append(all, e)
			}
			e.kind, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.kind = value
		case "data":
			data = append(data, value)
		case "id":
			e.id = value
		case "retry":
			e.kind = "retry"
		}
	}
	return all
}

// TestForgedOutput checks that in every form, output stays output, whatever it contains and
// wherever it is cut.
func TestForgedOutput(t *testing.T) {
	all := strings.Join(forged, "\r\n") + "\r\n"
	for _, step := range []int{1, 2, 3, 7, 64, len(all)} {
		b := serve(t, Options{})
		v1, plain := b.dial("", protocol.Subprotocol), b.dial("")
		if r, err := watch.Viewer(v1, 0); err != nil || len(r.Data) > 0 {
			t.Fatal(r, err)
		}
		for at := 0; at < len(all); at += step {
			b.Write([]byte(all[at:min(at+step, len(all))]))
		}
		b.end(7)
		for name, c := range map[string]*client.Viewer{"live": v1, "late": b.dial("", protocol.Subprotocol)} {
			r, err := watch.Viewer(c, -1)
			want := fmt.Sprintf(`[%d {"event":"exit","code":7,"signal":"","durationMs":0}]`, len(all))
			if err != nil || string(r.Data) != all || fmt.Sprint(r.Events) != want || r.Code != 1000 || r.Hello.Epoch != b.Epoch() {
				t.Errorf("in steps of %d, %s: %q, %q, %v, %v", step, name, r.Data, r.Events, r.Code, err)
			}
		}
		valid := strings.Builder{}
		var text plaintext.Decoder
		valid.Write(text.Decode([]byte(all)))
		valid.Write(text.Flush())
		for name, c := range map[string]*client.Viewer{"live": plain, "late": b.dial("")} {
			if r, err := watch.Viewer(c, -1); err != nil || string(r.Data) != valid.String() || r.Code != 1000 {
				t.Errorf("in steps of %d, plain, %s: %q, %v, %v", step, name, r.Data, r.Code, err)
			}
		}
		if _, body := b.get("/?format=raw"); body != all {
			t.Errorf("in steps of %d, raw: %q", step, body)
		}
		var want strings.Builder
		resolved := plaintext.To(&want)
		io.WriteString(resolved, all)
		resolved.Finish()
		for _, query := range []string{"/", "/?tail=1"} {
			if _, body := b.get(query); body != want.String() {
				t.Errorf("in steps of %d, %s: %q, want %q", step, query, body, want.String())
			}
		}
		_, stream := b.get("/", "Accept", "text/event-stream")
		events := sentEvents(stream)
		last := events[len(events)-1]
		if last.kind != "exit" || last.data != `{"event":"exit","code":7,"signal":"","durationMs":0}` || last.id != fmt.Sprint(len(all)) {
			t.Errorf("in steps of %d, the last event is %q", step, last)
		}
		var lines strings.Builder
		before := 0
		for _, e := range events[:len(events)-1] {
			var id int
			if _, err := fmt.Sscan(e.id, &id); err != nil || e.kind != "" || id <= before || id > len(all) {
				t.Errorf("in steps of %d, after %d: event %q", step, before, e)
			}
			before = id
			lines.WriteString(e.data + "\n")
		}
		if lines.String() != want.String() {
			t.Errorf("in steps of %d, events: %q, want %q", step, lines.String(), want.String())
		}
	}
}
