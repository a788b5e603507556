package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxGrepLine is the longest line that a filter looks at as one, in bytes.
const maxGrepLine = 64 << 10

// maxGrepExpr is the longest expression, in bytes: each seven of them can stand for
// a thousand states, of some hundred bytes each.
const maxGrepExpr = 1 << 10

// A grep lets lines through that a regular expression (RE2, which takes linear
// time) matches; with invert, the others. Without an expression it lets all.
type grep struct {
	re      *regexp.Regexp
	literal []byte // all that re looks for, if that is a plain text within a line
	invert  bool
}

func newGrep(expr string, invert bool) (grep, error) {
	if len(expr) > maxGrepExpr {
		return grep{}, fmt.Errorf("bad grep: %d bytes, want at most %d", len(expr), maxGrepExpr)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		why := err.Error()
		if e, ok := errors.AsType[*syntax.Error](err); ok { // which has the expression in it, as it is
			why = e.Code.String()
		}
		return grep{}, fmt.Errorf("bad grep=%q: %s", expr, why)
	}
	g := grep{re: re, invert: invert}
	// Not Regexp.LiteralPrefix, to which ^a$ is all of a plain text.
	if tree, err := syntax.Parse(expr, syntax.Perl); err == nil && tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
		if text := string(tree.Rune); !strings.ContainsAny(text, "\r\n\uFFFD") {
			g.literal = []byte(text)
		}
	}
	return g, nil
}

// copy copies what is let through.
func (g grep) copy(w io.Writer, r io.Reader) error {
	buffer := make([]byte, 64<<10)
	if g.re == nil {
		_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, buffer)
		return err
	}
	filter := &grepWriter{grep: g, w: w}
	if _, err := io.CopyBuffer(filter, onlyReader{r}, buffer); err != nil {
		return err
	}
	return filter.finish("")
}

// onlyReader and onlyWriter hide what else they are, so that io.CopyBuffer uses its
// buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// A grepWriter passes the lines on that a grep lets through. An unfinished line
// waits for its end, or until it is too long: then what there is of it decides.
type grepWriter struct {
	grep
	w       io.Writer
	line    []byte // unfinished, and undecided
	decided bool   // the unfinished line is too long, and decided
	passes  bool
	out     []byte
}

// Write implements [io.Writer].
func (g *grepWriter) Write(p []byte) (int, error) {
	n := len(p)
	g.out = g.out[:0]
	if g.decided || len(g.line) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		whole := end > 0
		if !whole {
			end = len(p)
		}
		g.more(p[:end], whole)
		p = p[end:]
	}
	whole := bytes.LastIndexByte(p, '\n') + 1
	g.lines(p[:whole])
	if whole < len(p) {
		g.more(p[whole:], false)
	}
	if len(g.out) == 0 {
		return n, nil
	}
	if _, err := g.w.Write(g.out); err != nil {
		return 0, err
	}
	return n, nil
}

// more goes on with the unfinished line.
func (g *grepWriter) more(p []byte, whole bool) {
	if !g.decided {
		g.line = append(g.line, p...)
		if !whole && len(g.line) < maxGrepLine {
			return
		}
		g.passes = g.re.Match(bytes.TrimRight(g.line[:min(len(g.line), maxGrepLine)], "\r\n")) != g.invert
		g.decided = true
		p = g.line
	}
	if g.passes {
		g.out = append(g.out, p...)
	}
	g.line = g.line[:0]
	if whole {
		g.decided = false
	}
}

// finish passes on the unfinished last line, with an end.
func (g *grepWriter) finish(end string) error {
	g.out = g.out[:0]
	if g.decided || len(g.line) > 0 {
		g.more([]byte(end), true)
	}
	_, err := g.w.Write(g.out)
	return err
}

// lines adds those lines of p to out that are let through.
func (g *grepWriter) lines(p []byte) {
	if g.literal != nil && !g.invert {
		g.find(p)
		return
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		if g.re.Match(bytes.TrimRight(p[:end], "\r\n")) != g.invert {
			g.out = append(g.out, p[:end]...)
		}
		p = p[end:]
	}
}

// find does the same for a plain text, which can be sought in all lines at once.
func (g *grepWriter) find(p []byte) {
	for {
		at := bytes.Index(p, g.literal)
		if at < 0 {
			return
		}
		start := bytes.LastIndexByte(p[:at], '\n') + 1
		end := bytes.IndexByte(p[at:], '\n') + 1
		if end == 0 {
			end = len(p) - at
		}
		g.out = append(g.out, p[start:at+end]...)
		p = p[at+end:]
	}
}
