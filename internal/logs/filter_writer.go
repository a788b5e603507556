package logs

import (
	"bytes"
	"io"
)

// maxLine is the longest line that a filter looks at as one, in bytes.
const maxLine = 64 << 10

// copy copies what is let through.
func (f Filter) copy(w io.Writer, r io.Reader) error {
	buffer := make([]byte, 64<<10)
	if f.All() {
		_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, buffer)
		return err
	}
	filter := &filterWriter{Filter: f, w: w}
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

// A filterWriter passes on the lines that a filter lets through. An unfinished line
// waits for its end, or until it is too long: then what there is of it decides.
type filterWriter struct {
	Filter
	w       io.Writer
	line    []byte // unfinished, and undecided
	decided bool   // the unfinished line is too long, and decided
	passes  bool
	out     []byte
}

// Write implements [io.Writer].
func (g *filterWriter) Write(p []byte) (int, error) {
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
func (g *filterWriter) more(p []byte, whole bool) {
	if !g.decided {
		g.line = append(g.line, p...)
		if !whole && len(g.line) < maxLine {
			return
		}
		g.passes = g.re.Match(bytes.TrimRight(g.line[:min(len(g.line), maxLine)], "\r\n")) != g.invert
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
func (g *filterWriter) finish(end string) error {
	g.out = g.out[:0]
	if g.decided || len(g.line) > 0 {
		g.more([]byte(end), true)
	}
	_, err := g.w.Write(g.out)
	return err
}

// lines adds those lines of p to out that are let through.
func (g *filterWriter) lines(p []byte) {
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
func (g *filterWriter) find(p []byte) {
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
