package logs

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"sort"
	"sync"
	"unsafe"

	"wsrun/screen"
)

const (
	// markSpan is how far apart the marks of an index are at least, in bytes.
	markSpan = 64 << 10
	// maxMarks is how many marks an index has, each of which takes 32 bytes, and maxStates how much the states of all of them
	// may take, in bytes. Of a longer file, every other mark goes.
	maxMarks  = 32 << 10
	maxStates = 512 << 10
	// sharedStates is with how many of the last states a new one is compared.
	sharedStates = 8
	// indexRead is how much of a file is read at a time, in bytes, and walkRead the same for a place that is not far from a mark,
	// which many may look for at once.
	indexRead = 128 << 10
	walkRead  = 16 << 10
	// fingerprintBytes is how much of what an index has read last must still be in the file.
	fingerprintBytes = 256
)

// errAhead means that a place is after the end of what a file has.
var errAhead = errors.New("the file isn't that long")

// A Place is the beginning of a line in a file, outside of control sequences.
type Place struct {
	Offset, Line int64        // the line's number, from 1
	State        screen.State // the terminal's
}

// A mark is a place outside of control sequences that an index remembers. Marks share equal states.
type mark struct {
	offset, line int64
	state        *screen.State
	begins       bool // it is a [Place]
}

// An index knows where lines of a file are. It has read the file's beginning, once, as far as it was needed. Its methods may be
// called concurrently. Their errors are those of reading the file, or errAhead.
type index struct {
	info os.FileInfo // identifies the file

	mu     sync.Mutex
	span   int64                       // how far apart marks are at least, in bytes
	marks  []mark                      // the first is the file's start
	recent [sharedStates]*screen.State // of the last marks, each once; the latest is first
	states int                         // how much the states take, in bytes
	end    scan                        // of what was read
	last   []byte                      // before end
}

// newIndex returns an index of a file of which nothing has been read.
func newIndex(info os.FileInfo) *index {
	return &index{
		info: info, span: markSpan,
		marks: []mark{{line: 1, state: &screen.State{}, begins: true}}, end: scan{line: 1},
	}
}

// A scan follows a file's output.
type scan struct {
	offset, line int64 // of the next byte
	state        screen.State
	head         []byte // the part of a control sequence that lies before offset
}

// add follows p.
func (s *scan) add(p []byte) {
	s.offset += int64(len(p))
	s.line += int64(bytes.Count(p, newline))
	if len(s.head) > 0 {
		p = append(s.head, p...)
	}
	s.head = bytes.Clone(p[s.state.Scan(p):])
}

// isPlace reports whether the scan, which is at the beginning of a line, is at a [Place].
func (s *scan) isPlace() bool { return len(s.head) == 0 && !s.state.Within() }

// extend reads the file, which has at least size bytes, until enough says that the index' end is far enough, or to size.
func (x *index) extend(r io.ReaderAt, size int64, enough func(end *scan) bool) error {
	var buffer []byte
	for {
		end, done := x.done(size, enough)
		if done {
			return nil
		}
		if buffer == nil {
			buffer = make([]byte, min(indexRead, size-end))
		}
		p, err := readAt(r, buffer, end, size) // without the lock, since a read may wait for a turn
		if err != nil {
			return err
		}
		x.addAt(end, p)
	}
}

// done returns the index' end, and reports whether that is far enough.
func (x *index) done(size int64, enough func(end *scan) bool) (end int64, done bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.end.offset, x.end.offset >= size || enough(&x.end)
}

// addAt adds what is at an offset, unless another call has done so.
func (x *index) addAt(offset int64, p []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.end.offset == offset {
		x.add(p)
	}
}

// add adds what follows at the index' end. mu must be held.
func (x *index) add(p []byte) {
	for rest := p; len(rest) > 0; {
		last := x.marks[len(x.marks)-1].offset
		from := max(last+x.span-x.end.offset, 1) - 1 // a line that begins after that is to be marked
		n, begins := min(int64(len(rest)), from+x.span+1), false
		if from < n {
			if i := bytes.IndexByte(rest[from:n], '\n'); i >= 0 {
				n, begins = from+int64(i)+1, true
			}
		}
		x.end.add(rest[:n])
		rest = rest[n:]
		if begins = begins && x.end.isPlace(); begins || x.end.offset >= last+2*x.span && len(x.end.head) == 0 {
			x.mark(begins)
		}
	}
	x.last = append(x.last, p[max(len(p)-fingerprintBytes, 0):]...)
	x.last = append(x.last[:0], x.last[max(len(x.last)-fingerprintBytes, 0):]...)
}

// mark remembers the place at the index' end. mu must be held.
func (x *index) mark(begins bool) {
	x.marks = append(x.marks, mark{x.end.offset, x.end.line, x.share(x.end.state), begins})
	for len(x.marks) > maxMarks || x.states > maxStates && len(x.marks) > 2 {
		x.thin()
	}
}

// share returns a state that is equal to this one. mu must be held.
func (x *index) share(state screen.State) *screen.State {
	at := 0
	for at < sharedStates-1 && x.recent[at] != nil && *x.recent[at] != state {
		at++
	}
	own := x.recent[at]
	if own == nil || *own != state {
		own = &state
		x.states += stateBytes(own)
	}
	copy(x.recent[1:at+1], x.recent[:at])
	x.recent[0] = own
	return own
}

// stateBytes returns how much a state takes, in bytes.
func stateBytes(s *screen.State) int {
	title, link := s.Texts()
	return int(unsafe.Sizeof(*s)) + len(title) + len(link)
}

// thin drops every other mark. mu must be held.
func (x *index) thin() {
	n := (len(x.marks) + 1) / 2
	for i := range n {
		x.marks[i] = x.marks[2*i]
	}
	clear(x.marks[n:])
	x.marks = x.marks[:n]
	x.span *= 2
	x.states, x.recent = 0, [sharedStates]*screen.State{}
	counted := map[*screen.State]bool{}
	for _, m := range x.marks {
		if !counted[m.state] {
			counted[m.state] = true
			x.states += stateBytes(m.state)
		}
	}
}

// place returns the beginning of a line if that is a [Place], and otherwise one before it, which is not far. If there is no such
// line yet, it returns one near the end.
func (x *index) place(r io.ReaderAt, size, line int64) (Place, error) {
	w, err := x.walkTo(r, size, line, true)
	if err != nil {
		return Place{}, err
	}
	found := Place{w.offset, w.line, w.state}
	for w.line < line {
		begins, err := w.next(line - w.line)
		switch {
		case err == errAhead:
			return found, nil
		case err != nil:
			return found, err
		case begins && w.isPlace():
			found = Place{w.offset, w.line, w.state}
		}
	}
	return found, nil
}

// line returns where a line begins.
func (x *index) line(r io.ReaderAt, size, line int64) (offset int64, err error) {
	w, err := x.walkTo(r, size, line, false)
	if err != nil {
		return 0, err
	}
	for err == nil && w.line < line {
		_, err = w.next(line - w.line)
	}
	return w.offset, err
}

// begin returns the scan at the beginning of a line, or at the file's end if there is no such line.
func (x *index) begin(r io.ReaderAt, size, line int64) (scan, error) {
	offset, err := x.line(r, size, line)
	if err == errAhead {
		offset, err = size, nil
	}
	if err != nil {
		return scan{}, err
	}
	return x.at(r, size, offset)
}

// at returns the scan at an offset.
func (x *index) at(r io.ReaderAt, size, offset int64) (scan, error) {
	if offset > size {
		return scan{}, errAhead
	}
	if err := x.extend(r, size, func(end *scan) bool { return end.offset >= offset }); err != nil {
		return scan{}, err
	}
	w := x.walk(r, offset, func(m mark) bool { return m.offset <= offset }, false)
	for w.offset < offset {
		if _, err := w.next(math.MaxInt64); err != nil {
			return scan{}, err
		}
	}
	return w.scan, nil
}

// lineFrom returns the first place at or after offset at which a line begins.
func (x *index) lineFrom(r io.ReaderAt, size, offset int64) (at, line int64, err error) {
	s, err := x.at(r, size, max(offset-1, 0))
	if err != nil || offset == 0 {
		return 0, 1, err
	}
	at, err = x.line(r, size, s.line+1)
	return at, s.line + 1, err
}

// walkTo returns a walker that is before a line or where it begins, at a [Place] if place is true.
func (x *index) walkTo(r io.ReaderAt, size, line int64, place bool) (*walker, error) {
	if err := x.extend(r, size, func(end *scan) bool { return end.line >= line }); err != nil {
		return nil, err
	}
	return x.walk(r, size, func(m mark) bool { return m.line < line || m.line == line && m.begins }, place), nil
}

// walk returns a walker at the last mark for which before is true, or the last one among those that is a [Place]. It is
// true for the first mark, and for a mark if it is for the next one.
func (x *index) walk(r io.ReaderAt, size int64, before func(m mark) bool, place bool) *walker {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := sort.Search(len(x.marks), func(i int) bool { return x.marks[i].offset > size || !before(x.marks[i]) }) - 1
	for place && !x.marks[i].begins {
		i--
	}
	m := x.marks[i]
	return &walker{scan: scan{offset: m.offset, line: m.line, state: *m.state}, r: r, size: size}
}

// A walker follows the first size bytes of a file.
type walker struct {
	scan
	r      io.ReaderAt
	size   int64
	rest   []byte // read, but not followed yet
	buffer []byte
}

// next moves past the n-th newline, or if that isn't near, past some output, and reports whether it was a newline. The error
// is errAhead at the end.
func (w *walker) next(n int64) (begins bool, err error) {
	if len(w.rest) == 0 {
		if w.offset == w.size {
			return false, errAhead
		}
		if w.buffer == nil {
			w.buffer = make([]byte, min(walkRead, w.size-w.offset))
		}
		if w.rest, err = readAt(w.r, w.buffer, w.offset, w.size); err != nil {
			return false, err
		}
	}
	size, begins := nthNewline(w.rest, n)
	w.add(w.rest[:size])
	w.rest = w.rest[size:]
	return begins, nil
}

// nthNewline returns the length of p up to its n-th newline, or of all of p if it has fewer, and whether that ends
// with a newline.
func nthNewline(p []byte, n int64) (size int, ends bool) {
	for ; n > 0; n-- {
		i := bytes.IndexByte(p[size:], '\n')
		if i < 0 {
			return len(p), false
		}
		size += i + 1
	}
	return size, true
}

// readAt reads at least a byte of a file, which had so many bytes.
func readAt(r io.ReaderAt, buffer []byte, offset, size int64) ([]byte, error) {
	n, err := r.ReadAt(buffer[:min(int64(len(buffer)), size-offset)], offset)
	if n > 0 && (err == nil || err == io.EOF) {
		return buffer[:n], nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // it was truncated
	}
	return nil, err
}

// fits reports whether the index is of this file.
func (x *index) fits(r io.ReaderAt, info os.FileInfo) (bool, error) {
	if !os.SameFile(x.info, info) {
		return false, nil
	}
	return x.holds(r)
}

// holds reports whether what was read is still in the file.
func (x *index) holds(r io.ReaderAt) (bool, error) {
	x.mu.Lock()
	want, end := bytes.Clone(x.last), x.end.offset
	x.mu.Unlock()
	last := make([]byte, len(want))
	n, err := r.ReadAt(last, end-int64(len(last)))
	if err != nil && err != io.EOF {
		return false, err
	}
	return n == len(last) && bytes.Equal(last, want), nil
}
