package server

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// What a filter lets through is what matching line by line does, whether it looks
// for the text at once or not.
func TestGrepIsByLine(t *testing.T) {
	const text = "abc\nxabcx\nabc\r\n\nab\nABC\na.c\nx\xffy\nabc abc\nthe last abc"
	for _, expr := range []string{
		"abc", "^abc$", `\Aabc\z`, "^abc", "abc$", "(abc)", "(?i)abc", `\babc\b`, "a.c", `\Qa.c\E`, "b|c", "", "^$", "^", "a\nb", "\r", `abc\r`, "\uFFFD", "é", "abc{1}",
	} {
		for _, invert := range []bool{false, true} {
			g, err := newGrep(expr, invert)
			if err != nil {
				t.Fatal(err)
			}
			var want, got, slow bytes.Buffer
			for line := range strings.Lines(text) {
				if regexp.MustCompile(expr).MatchString(strings.TrimRight(line, "\r\n")) != invert {
					want.WriteString(line)
				}
			}
			if err := g.copy(&got, strings.NewReader(text)); err != nil || got.String() != want.String() {
				t.Errorf("%q, invert %v: %q, %v; want %q", expr, invert, &got, err, &want)
			}
			if err := g.copy(&slow, iotest.OneByteReader(strings.NewReader(text))); err != nil || slow.String() != want.String() {
				t.Errorf("%q, invert %v, byte by byte: %q, %v; want %q", expr, invert, &slow, err, &want)
			}
		}
	}
}

func TestGrepIsBounded(t *testing.T) {
	if _, err := newGrep(strings.Repeat("a{1000}", 200), false); err == nil || !strings.Contains(err.Error(), "at most 1024") {
		t.Errorf("an expression of 200,000 states: %v", err)
	}
}

// A line without end is decided when it is too long, and not kept.
func TestGrepKeepsNoLongLine(t *testing.T) {
	filter, err := newGrep("x", false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	g := &grepWriter{grep: filter, w: &out}
	piece := bytes.Repeat([]byte("x"), 4<<10)
	for range 1 << 20 / len(piece) {
		g.Write(piece)
	}
	if cap(g.line) > 2*maxGrepLine || out.Len() != 1<<20 {
		t.Errorf("%d bytes kept, %d let through", cap(g.line), out.Len())
	}
}

// Without an expression there is nothing to invert, and so no other view of a file.
func TestInvertNeedsGrep(t *testing.T) {
	if q, err := parseQuery("invert=1&grep="); err != nil || q.grep.invert {
		t.Errorf("%+v, %v", q.grep, err)
	}
}

// FuzzGrep cuts the input everywhere: what is let through must be the lines that
// match one by one.
func FuzzGrep(f *testing.F) {
	for _, expr := range []string{"a", "b.*c", "^a", "c$", "^abc$", "\uFFFD", `\n`, "a\nb", "(?i)A", "(?s)a.b", "(?m)^b$", "^$", "a|b", `\bfoo\b`, "[^a]", "\xff", "ü"} {
		for _, step := range []uint8{0, 2, 255} {
			f.Add([]byte("a\nb\r\nabc\n\nfoo abc\naab\r\r\n\xff\xfeü\nunfinished abc"), expr, step, step > 0)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, expr string, step uint8, invert bool) {
		g, err := newGrep(expr, invert)
		if err != nil || expr == "" || len(in) > maxGrepLine {
			return
		}
		var want, got bytes.Buffer
		for line := range bytes.Lines(in) {
			if g.re.Match(bytes.TrimRight(line, "\r\n")) != invert {
				want.Write(line)
			}
		}
		w := &grepWriter{grep: g, w: &got}
		for at := 0; at < len(in); at += int(step) + 1 {
			w.Write(in[at:min(at+int(step)+1, len(in))])
		}
		w.finish("")
		if got.String() != want.String() {
			t.Fatalf("%q of %q in pieces of %d, invert %v: %q, want %q", expr, in, int(step)+1, invert, got.String(), want.String())
		}
	})
}
