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

// Without an expression there is nothing to invert, and so no other view of a file.
func TestInvertNeedsGrep(t *testing.T) {
	if q, err := parseQuery("invert=1&grep="); err != nil || q.grep.invert {
		t.Errorf("%+v, %v", q.grep, err)
	}
}
