package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"wsrun/hub"
	"wsrun/internal/search"
	"wsrun/test/wait"
)

// manySections returns the output of a run that is searched in several sections: some of it is long lines, full-screen
// programs, lines that go on after one, and control sequences across newlines.
func manySections() (p []byte) {
	rng := rand.New(rand.NewPCG(20, 2))
	for n := 0; len(p) < 3*sectionBytes; n++ {
		switch rng.IntN(400) {
		case 0:
			p = append(p, strings.Repeat("long error ", rng.IntN(20_000))...)
		case 1:
			p = append(p, "err\x1b[?1049h"...)
			for range rng.IntN(20_000) {
				p = append(p, "an error in full screen\r\n"...)
			}
			p = append(p, "\x1b[?1049lor after it"...)
		case 2:
			p = append(p, "\x1b]2;"+strings.Repeat("a title\n", rng.IntN(10))+"\aerror"...)
		default:
			p = fmt.Appendf(p, "line %d \x1b[3%dm%s\x1b[m", n, n%8, []string{"ok", "error", "50 %\rerror", "", "warning"}[rng.IntN(5)])
		}
		p = append(p, '\n')
	}
	return append(p, "an unfinished error"...)
}

// However many sections are searched at once, the hits are those of the whole, in order.
func TestHitsOfManySections(t *testing.T) {
	out := manySections()
	for _, searchers := range []int{1, maxSearchers} {
		b := serveStream(t, past(t), Options{})
		b.srv.gate.turns = make(chan struct{}, searchers)
		for p := range slices.Chunk(out, 1<<20) {
			b.Write(p)
			wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return b.Stats().End-b.hub.History.End().Offset < 6<<20 })
		}
		b.Flush()
		b.end(0)
		for _, query := range []string{"error", "an error&from=20000", "error&invert=1", "o&from=1&n=30000", "error after"} {
			expression, _, _ := strings.Cut(query, "&")
			var all []hit
			find := search.New(regexp.MustCompile(expression), 1).Find(0, 1, false, strings.Contains(query, "invert"), func(line, offset int64) {
				all = append(all, hit{line, offset})
			})
			find.Write(out)
			find.Finish()
			from, most := int64(1), len(all)
			if strings.Contains(query, "from=2") {
				from = 20_000
			} else if strings.Contains(query, "n=") {
				most = 30_000
			}
			down, up := slices.DeleteFunc(slices.Clone(all), func(h hit) bool { return h.line < from }), all
			if strings.Contains(query, "from") {
				up = slices.DeleteFunc(slices.Clone(all), func(h hit) bool { return h.line > from })
			}
			slices.Reverse(up)
			for back, want := range map[string][]hit{"0": down, "1": up} {
				_, got := b.get("/?format=hits&grep=" + strings.ReplaceAll(query, " ", "+") + "&back=" + back)
				n := min(len(want), most)
				if lines := listed(want[:min(n, maxHits)]); !strings.Contains(strings.Join(progressLines.Split(got, -1), ""), lines+fmt.Sprintf(`{"done":{"hits":%d,`, n)) {
					t.Errorf("%d searchers, %s, back=%s: %d bytes instead of %d hits: %.200q", searchers, query, back, len(got), n, got)
				}
			}
		}
		if _, got := b.get("/?format=hits&grep=x"); !strings.Contains(got, fmt.Sprintf(`"lines":%d}`, bytes.Count(out, []byte("\n"))+1)) {
			t.Errorf("not all lines were searched: %s", got[strings.Index(got, `{"done"`):])
		}
	}
}

var progressLines = regexp.MustCompile(`\{"progress":.*\n`)

// listed returns hits as they are sent.
func listed(all []hit) string {
	var s strings.Builder
	for _, h := range all {
		s.WriteString(hits(int(h.line), int(h.offset)))
	}
	return s.String()
}

// A panic ends the search, and is counted.
func TestPanicInASearch(t *testing.T) {
	panics := hub.NewPanics(slog.New(slog.DiscardHandler))
	b := serve(t, Options{Panics: panics})
	s := searchResponse{hub: b.hub, task: &task{gate: b.srv.gate}, query: &query{}, panics: panics}
	r := s.newSearcher(t.Context())
	b.Write([]byte("a line\n")) // the query has no expression, which is a fault
	b.Flush()
	r.start(hit{1, 0}, 7)
	<-r.done
	if r.err != errSearchPanicked || panics.Count() != 1 {
		t.Errorf("err = %v, %d panics", r.err, panics.Count())
	}
	if !r.task.work() {
		t.Error("its turn was lost")
	}
}

// A client that leaves ends its searchers.
func TestSearchersEndWithTheirClient(t *testing.T) {
	b := serveStream(t, past(t), Options{})
	b.flood(20_000)
	before := runtime.NumGoroutine()
	for range 10 {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /?format=hits&grep=(?:[a-z0-9]?){900}[QZ] HTTP/1.1\r\nHost: x\r\n\r\n")
		c.Read(make([]byte, 1))
		c.Close()
	}
	wait.For(t, wait.Patience, "searchers go on", func() bool { return runtime.NumGoroutine() <= before })
}
