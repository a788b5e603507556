package logs

import (
	"bytes"
	"context"
	"io"
)

// A Pace calls read, which reads a part of a file or describes it, and may take long, and returns its error. A Pace
// may wait before and afterwards; if it returns another error, the file isn't read any further. A nil
// Pace doesn't wait.
type Pace func(read func() error) error

// call calls read at the pace.
func (p Pace) call(read func() error) error {
	if p == nil {
		return read()
	}
	return p(read)
}

// paced returns the file for reads at the given pace, which fail once the server is being shut down.
func (f *File) paced(pace Pace) io.ReaderAt { return pacedFile{f.f, pace, f.logs.stopping} }

type pacedFile struct {
	io.ReaderAt
	pace     Pace
	stopping <-chan struct{}
}

// ReadAt implements [io.ReaderAt].
func (p pacedFile) ReadAt(b []byte, offset int64) (n int, err error) {
	select {
	case <-p.stopping:
		return 0, context.Canceled
	default:
	}
	var failure error
	if err := p.pace.call(func() error {
		n, failure = p.ReaderAt.ReadAt(b, offset)
		return failure
	}); err != failure {
		return 0, err // so that nobody works on what was read
	}
	return n, failure
}

// Content is the last lines of a file, decompressed and filtered. Its methods must not be
// called concurrently.
type Content struct {
	r      io.ReadCloser
	filter Filter // still to be applied to r
	skip   int64  // lines that pass the filter and come before the content
	exact  bool
	begin  scan // of From: where the line begins
}

// Begin returns where the line begins with which [File.From] was called, or the file's end if there is no such line, and what
// puts a new terminal into the state there.
func (c *Content) Begin() (offset int64, prelude []byte) {
	return c.begin.offset, append(c.begin.state.Append(nil), c.begin.head...)
}

// Exact reports whether the content starts at the file's first line and lacks none, so that
// counting its lines gives their numbers in the file.
func (c *Content) Exact() bool { return c.exact }

// Copy copies the content to w. It must be called only once. The error is of the file or of w.
func (c *Content) Copy(w io.Writer) error {
	if c.skip > 0 {
		w = &lineSkipper{w, c.skip}
	}
	return c.filter.copy(w, c.r)
}

// Close releases the content.
func (c *Content) Close() { c.r.Close() }

// lastLines returns the last lines of what open returns that filter passes. Only the end shows which
// they are, and they may be too many to be kept in memory: then what open returns is read twice.
func lastLines(open func() (io.ReadCloser, error), lines int, filter Filter) (*Content, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var end tail
	err = filter.copy(&end, r)
	if text, ok := end.last(int64(lines)); ok {
		return &Content{r: io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))}, nil
	}
	again, openErr := open()
	if openErr != nil {
		return nil, openErr
	}
	return &Content{r: again, filter: filter, skip: end.lines() - int64(lines)}, nil
}

// failing is a reader that always fails with err, or ends if err is nil.
type failing struct{ err error }

// Read implements [io.Reader].
func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// maxTail is how much a tail keeps, in bytes.
const maxTail = 64 << 10

// A tail keeps the end of what is written to it, and counts the lines.
type tail struct {
	text     []byte // the end, up to twice maxTail and a write
	gone     int64  // newlines before text
	newlines int64  // all of them
}

// Write implements [io.Writer]. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.newlines += int64(bytes.Count(p, newline))
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > maxTail {
		t.gone += int64(bytes.Count(t.text[:over], newline))
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// lines returns the number of lines so far, counting an unfinished one.
func (t *tail) lines() int64 {
	if len(t.text) > 0 && t.text[len(t.text)-1] != '\n' {
		return t.newlines + 1
	}
	return t.newlines
}

// last returns the last n lines, or all if there are fewer. It reports whether it has kept all of
// them.
func (t *tail) last(n int64) ([]byte, bool) {
	skip := max(t.lines()-n, 0) - t.gone
	if n == 0 {
		return nil, true
	}
	if skip < 0 || skip == 0 && t.gone > 0 { // the first line may be cut
		return nil, false
	}
	text := t.text
	for ; skip > 0 && len(text) > 0; skip-- {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return text, true
}

// A lineSkipper drops the first lines of what is written to it, and passes on the others.
type lineSkipper struct {
	w    io.Writer
	skip int64 // lines
}

// Write implements [io.Writer].
func (s *lineSkipper) Write(p []byte) (int, error) {
	rest := p
	for ; s.skip > 0; s.skip-- {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		rest = rest[end:]
	}
	if len(rest) == 0 {
		return len(p), nil
	}
	if _, err := s.w.Write(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

var newline = []byte{'\n'}
