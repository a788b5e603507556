package server

import (
	"bytes"
	"io"
	"regexp"
)

// maxGrepLine is the longest line that a filter looks at as one, in bytes.
const maxGrepLine = 64 << 10

// A grep lets lines through that a regular expression (RE2, which takes linear
// time) matches; with invert, the others. Without an expression it lets all.
type grep struct {
	re     *regexp.Regexp
	invert bool
}

// copy copies what is let through, and what is cut off at a line's middle.
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
	return filter.finish()
}

// onlyReader and onlyWriter hide what else they are, so that io.CopyBuffer uses its
// buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// A grepWriter passes the lines on that a grep lets through. An unfinished line
// waits for its end.
type grepWriter struct {
	grep
	w    io.Writer
	line []byte // unfinished
	out  []byte
}

// Write implements [io.Writer].
func (g *grepWriter) Write(p []byte) (int, error) {
	n := len(p)
	g.out = g.out[:0]
	if len(g.line) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 && len(g.line)+len(p) < maxGrepLine {
			g.line = append(g.line, p...)
			return n, nil
		}
		g.line = append(g.line, p[:end]...)
		p = p[end:]
		g.lines(g.line)
		g.line = g.line[:0]
	}
	whole := bytes.LastIndexByte(p, '\n') + 1
	g.lines(p[:whole])
	g.line = append(g.line, p[whole:]...)
	if len(g.out) == 0 {
		return n, nil
	}
	if _, err := g.w.Write(g.out); err != nil {
		return 0, err
	}
	return n, nil
}

// finish passes on the unfinished last line.
func (g *grepWriter) finish() error {
	g.out = g.out[:0]
	g.lines(g.line)
	g.line = g.line[:0]
	_, err := g.w.Write(g.out)
	return err
}

// lines adds those lines of p to out that are let through.
func (g *grepWriter) lines(p []byte) {
	literal, complete := g.re.LiteralPrefix()
	if complete && literal != "" && !g.invert {
		g.literal(p, []byte(literal))
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

// literal does the same for a plain text, which can be sought in all lines at once.
func (g *grepWriter) literal(p, text []byte) {
	for {
		at := bytes.Index(p, text)
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
