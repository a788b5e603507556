package logs

import (
	"bytes"
	"cmp"
	"io"
)

// maxLine is how much of a line, in bytes, a filter matches, so that an endless line takes
// little memory.
const maxLine = 64 << 10

// stepCost is how much matching happens, in bytes times instructions, before the client may stop it: up to
// some 50 ms.
const stepCost = 4 << 20

// step returns how many bytes the filter gets at once.
func (f Filter) step() int { return min(64<<10, max(512, stepCost/max(1, f.size))) }

// copy copies the lines that the filter passes. The last one may be cut by r's error.
func (f Filter) copy(w io.Writer, r io.Reader) error {
	buffer := make([]byte, f.step())
	if f.All() {
		_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, buffer)
		return err
	}
	filter := &filterWriter{Filter: f, w: w}
	_, err := io.CopyBuffer(filter, onlyReader{r}, buffer)
	return cmp.Or(err, filter.finish(""))
}

// onlyReader and onlyWriter hide other methods, so that io.CopyBuffer uses its buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// A filterWriter writes the lines that a filter passes to w. It keeps an unfinished line until
// the line ends or reaches maxLine: then its first maxLine bytes decide.
type filterWriter struct {
	Filter
	w       io.Writer
	line    []byte // start of an unfinished line that isn't decided
	decided bool   // the unfinished line is too long and has been decided
	passes  bool   // if decided: the line passes
	out     []byte // to be written to w
}

// Write implements [io.Writer].
func (f *filterWriter) Write(p []byte) (int, error) {
	n := len(p)
	f.out = f.out[:0]
	if f.decided || len(f.line) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		whole := end > 0
		if !whole {
			end = len(p)
		}
		f.more(p[:end], whole)
		p = p[end:]
	}
	whole := bytes.LastIndexByte(p, '\n') + 1
	f.lines(p[:whole])
	if whole < len(p) {
		f.more(p[whole:], false)
	}
	if len(f.out) == 0 {
		return n, nil
	}
	if _, err := f.w.Write(f.out); err != nil {
		return 0, err
	}
	return n, nil
}

// more adds p to the unfinished line; whole reports whether p ends the line.
func (f *filterWriter) more(p []byte, whole bool) {
	if !f.decided {
		f.line = append(f.line, p...)
		if !whole && len(f.line) < maxLine {
			return
		}
		f.passes = f.re.Match(bytes.TrimRight(f.line[:min(len(f.line), maxLine)], "\r\n")) != f.invert
		f.decided = true
		p = f.line
	}
	if f.passes {
		f.out = append(f.out, p...)
	}
	f.line = f.line[:0]
	if whole {
		f.decided = false
	}
}

// finish ends the unfinished last line, if there is one, with end, and writes it if it passes.
func (f *filterWriter) finish(end string) error {
	f.out = f.out[:0]
	if f.decided || len(f.line) > 0 {
		f.more([]byte(end), true)
	}
	_, err := f.w.Write(f.out)
	return err
}

// lines appends the lines of p that pass to out. All of p's lines, but perhaps the last, are
// whole.
func (f *filterWriter) lines(p []byte) {
	if f.literal != nil && !f.invert {
		f.find(p)
		return
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		if f.re.Match(bytes.TrimRight(p[:end], "\r\n")) != f.invert {
			f.out = append(f.out, p[:end]...)
		}
		p = p[end:]
	}
}

// find is lines for a plain text, which it can search for in all lines at once.
func (f *filterWriter) find(p []byte) {
	for {
		at := bytes.Index(p, f.literal)
		if at < 0 {
			return
		}
		start := bytes.LastIndexByte(p[:at], '\n') + 1
		end := bytes.IndexByte(p[at:], '\n') + 1
		if end == 0 {
			end = len(p) - at
		}
		f.out = append(f.out, p[start:at+end]...)
		p = p[at+end:]
	}
}
