package logs

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"regexp/syntax"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// TestFilterMatchesLines compares filters with matching line by line. Some of the expressions
// are plain texts, which filters search for in all lines at once.
func TestFilterMatchesLines(t *testing.T) {
	const text = "abc\nxabcx\nabc\r\n\nab\nABC\na.c\nx\xffy\nabc abc\nthe last abc"
	for _, expr := range []string{
		"abc", "^abc$", `\Aabc\z`, "^abc", "abc$", "(abc)", "(?i)abc", `\babc\b`, "a.c", `\Qa.c\E`, "b|c", "", "^$", "^", "a\nb",
		"\r", `abc\r`, "\uFFFD", "é", "abc{1}",
	} {
		for _, invert := range []bool{false, true} {
			g, err := compile(expr, invert)
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

func TestExpressionLimits(t *testing.T) {
	c := NewCompiler()
	for _, tt := range []struct{ expr, want string }{
		{strings.Repeat("a{1000}", 200), "at most 1024"},
		{"(?:" + strings.Repeat("a?", 505) + "){1000}", "more than 10000"},
		{strings.Repeat("a{1000}", 10), "more than 10000"},
		{strings.Repeat("a{1000}", 9), ""},
		{"((((a{10}){10}){10}){10}){10}", "invalid repeat count"},
		{"(((a{9}){9}){9})", ""},
		{"(", "missing closing"},
	} {
		_, err := c.Compile(t.Context(), tt.expr, false)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.30q: %v, want %q", tt.expr, err, tt.want)
		}
	}
}

// While as many expressions are being compiled as may be, others wait until their client
// leaves.
func TestCompilerWaitsItsTurn(t *testing.T) {
	c := NewCompiler()
	if got, want := cap(c.turns), max(1, runtime.GOMAXPROCS(0)/2); got != want {
		t.Errorf("%d at a time, want %d", got, want)
	}
	for range cap(c.turns) {
		c.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Compile(ctx, "a", false); err != context.Canceled {
		t.Errorf("out of turn: %v", err)
	}
	<-c.turns
	for range 2 * cap(c.turns) { // each gives its turn back
		if _, err := c.Compile(t.Context(), "(", false); err == nil {
			t.Error("a bad expression is compiled")
		}
		if _, err := c.Compile(t.Context(), "a", false); err != nil {
			t.Error(err)
		}
	}
}

// TestInstructions checks that the estimated number of instructions is at least the real one,
// and at most about twice that.
func TestInstructions(t *testing.T) {
	for _, expr := range []string{
		"", "a", "abc", "a*", "a+", "a?", "(a)", "a|b|cd", "[a-z]", "^$", "a{3}", "a{3,}", "a{0}", "a{0,3}", "(?:a|b){2,5}",
		"(a*)*", "(?:)*", "(?i)k+", `\bfoo\b`,
		"(?:a?){1000}", "(?:ab{10}c|d*){50}", "(((a{5,9}){3}b+){2,4}|x){2}", "(a|b|[^c]){0,100}", "(?:(?:){5}){7}",
	} {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		got := instructions(tree)
		prog, err := syntax.Compile(tree.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if real := len(prog.Inst); got < real || got > 2*real+8 {
			t.Errorf("%q: %d, really %d", expr, got, real)
		}
	}
}

// TestFilterKeepsNoLongLine checks that an endless line is decided when it is too long, and
// then passed on rather than kept.
func TestFilterKeepsNoLongLine(t *testing.T) {
	filter, err := compile("x", false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	g := &filterWriter{Filter: filter, w: &out}
	piece := bytes.Repeat([]byte("x"), 4<<10)
	for range 1 << 20 / len(piece) {
		g.Write(piece)
	}
	if cap(g.line) > 2*maxLine || out.Len() != 1<<20 {
		t.Errorf("%d bytes kept, %d let through", cap(g.line), out.Len())
	}
}

// TestExpressionsGetLittleAtOnce checks that a filter reads little before its client may stop it, unless it is
// quick.
func TestExpressionsGetLittleAtOnce(t *testing.T) {
	for expr, most := range map[string]int{"": 64 << 10, "ab.*c": 64 << 10, "a{1000}": 5 << 10, strings.Repeat("a{1000}", 9): 512} {
		filter, err := NewCompiler().Compile(t.Context(), expr, false)
		if err != nil {
			t.Fatal(err)
		}
		var got int
		filter.copy(io.Discard, readerFunc(func(p []byte) (int, error) { got = len(p); return 0, io.EOF }))
		if got > most || got < most/2 {
			t.Errorf("%.20q: reads %d bytes, want %d at most", expr, got, most)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// FuzzFilter compares a filter whose input is cut everywhere with matching line by line.
func FuzzFilter(f *testing.F) {
	for _, expr := range []string{
		"a", "b.*c", "^a", "c$", "^abc$", "\uFFFD", `\n`, "a\nb", "(?i)A", "(?s)a.b", "(?m)^b$", "^$", "a|b", `\bfoo\b`, "[^a]",
		"\xff", "ü",
	} {
		for _, step := range []uint8{0, 2, 255} {
			f.Add([]byte("a\nb\r\nabc\n\nfoo abc\naab\r\r\n\xff\xfeü\nunfinished abc"), expr, step, step > 0)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, expr string, step uint8, invert bool) {
		g, err := compile(expr, invert)
		if err != nil || expr == "" || len(in) > maxLine {
			return
		}
		var want, got bytes.Buffer
		for line := range bytes.Lines(in) {
			if g.re.Match(bytes.TrimRight(line, "\r\n")) != invert {
				want.Write(line)
			}
		}
		w := &filterWriter{Filter: g, w: &got}
		for at := 0; at < len(in); at += int(step) + 1 {
			w.Write(in[at:min(at+int(step)+1, len(in))])
		}
		w.finish("")
		if got.String() != want.String() {
			t.Fatalf("%q of %q in pieces of %d, invert %v: %q, want %q", expr, in, int(step)+1, invert, got.String(), want.String())
		}
	})
}
