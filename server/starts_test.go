package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wsrun/test/wait"
)

// starts returns at how many random places TestStarts begins: WSRUN_STARTS, or a few.
func starts(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("WSRUN_STARTS"))
	if err != nil {
		return 100
	}
	return n
}

// A startsRun is a run, of which the ring has a small part, and what sed and awk need to find the same lines.
type startsRun struct {
	*bench
	t     *testing.T
	lines int
	text  []byte
	raw   string  // file with the output
	times string  // file with the greatest time so far, for each line
	ms    []int64 // the same
}

// newStartsRun writes lines of many lengths, in colors, at times that sometimes go back.
func newStartsRun(t *testing.T, rng *rand.Rand) *startsRun {
	t.Helper()
	r := &startsRun{bench: serveStream(t, past(t), Options{}), t: t, lines: 40_000}
	var times bytes.Buffer
	clock, latest := int64(1_700_000_000_000), int64(0)
	for n := 0; n < r.lines; {
		if clock += rng.Int64N(50); rng.IntN(500) == 0 {
			clock -= 1000
		}
		latest = max(latest, clock)
		from := len(r.text)
		for range 1 + rng.IntN(20) {
			if n++; n > r.lines {
				break
			}
			r.text = fmt.Appendf(r.text, "\x1b[3%dm%d \x1b[1m%s\x1b[m%s\n", n%8, n, strings.Repeat("é", rng.IntN(90)), []string{"", "\r"}[rng.IntN(2)])
			fmt.Fprintln(&times, latest)
			r.ms = append(r.ms, latest)
		}
		r.Publish(r.text[from:], time.UnixMilli(clock))
	}
	wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return r.hub.History.End().Offset > int64(len(r.text))*9/10 })
	dir := t.TempDir()
	r.raw, r.times = filepath.Join(dir, "raw"), filepath.Join(dir, "times")
	if os.WriteFile(r.raw, r.text, 0o600) != nil || os.WriteFile(r.times, times.Bytes(), 0o600) != nil {
		t.Fatal("the files can't be written")
	}
	if st := r.Stats(); st.Start < int64(len(r.text))*9/10 {
		t.Fatalf("the ring begins at %d of %d", st.Start, len(r.text))
	}
	return r
}

// shell returns what a command prints.
func (r *startsRun) shell(script string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("%s %q: %v", script, args, err)
	}
	return string(out)
}

// check compares a response with what sed prints, from which bare says that it removes colors.
func (r *startsRun) check(query url.Values, bare bool, line, n int) {
	r.t.Helper()
	script := `sed -n "$1,$2p;$2q" "$3"`
	if bare {
		script = `sed -n "$1,$2{s/\x1b\[[0-9;]*m//g;s/\r*\$//;p};$2q" "$3"`
	}
	want := r.shell(script, strconv.Itoa(line), strconv.Itoa(line+n-1), r.raw)
	resp, got := r.get("/?" + query.Encode())
	if resp.StatusCode != 200 || got != want {
		r.t.Errorf("%s: %s, %d bytes, want %d: %.200q, want %.200q", query.Encode(), resp.Status, len(got), len(want), got, want)
	}
}

// Any line, time or byte of a run is where a response begins, as sed and awk find it in the same bytes.
func TestStarts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	r := newStartsRun(t, rng)
	count := starts(t)
	for i := range count {
		line, n := 1+rng.IntN(r.lines), 1+rng.IntN(50)
		query := url.Values{"n": {strconv.Itoa(n)}}
		switch i % 3 {
		case 0:
			query.Set("from", strconv.Itoa(line))
		case 1:
			ms := r.ms[line-1] + rng.Int64N(3)
			found := r.shell(`awk -v t="$1" '$1 >= t { print NR; exit }' "$2"`, strconv.FormatInt(ms, 10), r.times)
			if line, _ = strconv.Atoi(strings.TrimSpace(found)); line == 0 {
				line = r.lines + 1
			}
			query.Set("at", strconv.FormatInt(ms, 10))
		case 2:
			r.checkOffset(rng.IntN(len(r.text)), n)
			continue
		}
		bare := i%2 == 0
		if !bare {
			query.Set("format", "raw")
		}
		r.check(query, bare, line, n)
		if t.Failed() {
			return
		}
	}
	t.Attr("promise", "a response begins at any line, time or byte of a run")
	t.Attr("figure", fmt.Sprintf("%d random starts in the ring and in the history are where sed and awk find them", count))
}

// checkOffset compares a slice from an offset on with what tail and head print.
func (r *startsRun) checkOffset(offset, n int) {
	r.t.Helper()
	want := r.shell(`tail -c "+$1" "$3" | head -n "$2"`, strconv.Itoa(offset+1), strconv.Itoa(n), r.raw)
	query := url.Values{"format": {"slice"}, "epoch": {r.Epoch()}, "offset": {strconv.Itoa(offset)}, "n": {strconv.Itoa(n)}}
	resp, got := r.get("/?" + query.Encode())
	_, got, _ = strings.Cut(got, "\n")
	if resp.StatusCode != 200 || got != want {
		r.t.Errorf("%s: %s, %d bytes, want %d: %.200q, want %.200q", query.Encode(), resp.Status, len(got), len(want), got, want)
	}
}
