package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sort"
	"sync"

	"wsrun/screen"
)

const (
	// markSpan is how far apart the marks of an index are at least, in bytes.
	markSpan = 64 << 10
	// maxMarks is how many marks an index has. Of a longer file, every other mark goes. A mark takes 24 bytes.
	maxMarks = 32 << 10
	// indexRead is how much of a file is read at a time, in bytes.
	indexRead = 128 << 10
	// fingerprintBytes is how much of what an index has read last must still be in the file.
	fingerprintBytes = 256
)

// A Place is the beginning of a line in a file, outside of control sequences.
type Place struct {
	Offset, Line int64        // the line's number, from 1
	State        screen.State // the terminal's
}

// A mark is a [Place] that an index remembers. Marks share equal states.
type mark struct {
	offset, line int64
	state        *screen.State
}

// An index knows where lines of a file are. It has read the file's beginning, once, as far as it was needed.
type index struct {
	mu    sync.Mutex
	info  os.FileInfo // identifies the file; nil if nothing was read
	span  int64       // how far apart marks are at least, in bytes
	marks []mark      // the first is the file's start
	end   scan        // of what was read
	last  []byte      // before end
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

// place returns the beginning of a line if that is a [Place], and otherwise one before it, which is not far. r is the
// file, which has at least size bytes.
func (x *index) place(r io.ReaderAt, size, line int64) (Place, error) {
	buffer := make([]byte, min(indexRead, size))
	for x.end.line < line && x.end.offset < size {
		p, err := readAt(r, buffer, x.end.offset, size)
		if err != nil {
			return Place{}, err
		}
		x.add(p)
	}
	m := x.marks[sort.Search(len(x.marks), func(i int) bool { return x.marks[i].line > line })-1]
	return m.walk(r, buffer, size, line)
}

// add adds what follows at the index' end.
func (x *index) add(p []byte) {
	for rest := p; len(rest) > 0; {
		from := max(x.marks[len(x.marks)-1].offset+x.span-x.end.offset, 1) - 1
		n, begins := int64(len(rest)), false
		if from < n {
			if i := bytes.IndexByte(rest[from:], '\n'); i >= 0 {
				n, begins = from+int64(i)+1, true
			}
		}
		x.end.add(rest[:n])
		if rest = rest[n:]; begins && x.end.isPlace() {
			x.mark()
		}
	}
	x.last = append(x.last, p[max(len(p)-fingerprintBytes, 0):]...)
	x.last = append(x.last[:0], x.last[max(len(x.last)-fingerprintBytes, 0):]...)
}

// mark remembers the place at the index' end.
func (x *index) mark() {
	if len(x.marks) == maxMarks {
		for i := range maxMarks / 2 {
			x.marks[i] = x.marks[2*i]
		}
		x.marks = x.marks[:maxMarks/2]
		x.span *= 2
	}
	state := x.marks[len(x.marks)-1].state
	if *state != x.end.state {
		own := x.end.state
		state = &own
	}
	x.marks = append(x.marks, mark{x.end.offset, x.end.line, state})
}

// walk returns the beginning of a line, which is not before the mark, if that is a [Place], and otherwise the mark's.
func (m mark) walk(r io.ReaderAt, buffer []byte, size, line int64) (Place, error) {
	at := scan{offset: m.offset, line: m.line, state: *m.state}
	found := Place{m.offset, m.line, *m.state}
	for at.line < line && at.offset < size {
		p, err := readAt(r, buffer, at.offset, size)
		if err != nil {
			return found, err
		}
		for len(p) > 0 && at.line < line {
			n, begins := nthNewline(p, line-at.line)
			at.add(p[:n])
			if p = p[n:]; begins && at.isPlace() {
				found = Place{at.offset, at.line, at.state}
			}
		}
	}
	return found, nil
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

// fits reports whether the index is of this file, which has at least size bytes.
func (x *index) fits(r io.ReaderAt, info os.FileInfo, size int64) bool {
	if x.info == nil || !os.SameFile(x.info, info) || size < x.end.offset {
		return false
	}
	last := make([]byte, len(x.last))
	n, err := r.ReadAt(last, x.end.offset-int64(len(last)))
	return n == len(last) && (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(last, x.last)
}

// begin makes the index one of a file of which nothing has been read.
func (x *index) begin(info os.FileInfo) {
	x.info, x.span, x.last = info, markSpan, nil
	x.end = scan{line: 1}
	x.marks = append(x.marks[:0], mark{line: 1, state: &screen.State{}})
}
