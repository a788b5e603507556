package filetail

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"time"
)

// fingerprintSize is how many bytes before the current offset are read again at each read.
// The size alone can't tell a truncated file that has grown beyond that offset again from
// one that has only grown.
const fingerprintSize = 256

// A source is an open file that is read from offset on.
type source struct {
	f           *os.File
	info        fs.FileInfo
	since       time.Time // when the name was found to refer to this file
	broken      bool      // reading failed: f must be opened again
	offset      int64
	fingerprint []byte // the bytes before offset, at most fingerprintSize; empty only at 0
	seen        int64  // the size when it was last looked at, or offset if everything was read
}

// seek moves to offset. If fingerprint is not nil and differs from the bytes before offset,
// it moves to 0 instead.
func (s *source) seek(offset int64, fingerprint []byte) error {
	before := make([]byte, min(offset, fingerprintSize))
	n, err := s.f.ReadAt(before, offset-int64(len(before)))
	if err != nil && err != io.EOF {
		return err
	}
	if n < len(before) || fingerprint != nil && !bytes.Equal(fingerprint, before) {
		offset, before = 0, nil
	}
	s.offset, s.fingerprint = offset, before
	return nil
}

// read returns what follows, at most one buf less the fingerprint, and moves past it. cut
// reports that the content before offset has changed or, at offset 0, that there is less
// than what was seen; read then moves to 0. At the end of the file it returns nothing.
func (s *source) read(buf []byte) (data []byte, cut *Truncated, err error) {
	n, err := s.f.ReadAt(buf, s.offset-int64(len(s.fingerprint)))
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	if n < len(s.fingerprint) || !bytes.Equal(buf[:len(s.fingerprint)], s.fingerprint) {
		cut = &Truncated{s.offset, max(0, s.seen-s.offset)}
	} else if s.offset == 0 && n < len(buf) && int64(n) < s.seen {
		cut = &Truncated{0, s.seen - int64(n)}
	}
	if cut != nil {
		s.offset, s.fingerprint, s.seen = 0, nil, 0
		return nil, cut, nil
	}
	data = buf[len(s.fingerprint):n]
	s.offset += int64(len(data))
	s.fingerprint = append(s.fingerprint[:0], buf[max(0, n-fingerprintSize):n]...)
	if n < len(buf) {
		s.seen = s.offset
	} else {
		s.glance()
	}
	return data, nil, nil
}

// glance records how much there is to read, in case it is gone before it is read. It gets
// the size first: if the fingerprint still matches afterwards, the size is that of the same
// content.
func (s *source) glance() {
	info, err := s.f.Stat()
	if err != nil {
		return
	}
	before := make([]byte, len(s.fingerprint))
	if _, err := s.f.ReadAt(before, s.offset-int64(len(before))); err == nil && bytes.Equal(before, s.fingerprint) {
		s.seen = max(s.seen, info.Size())
	}
}

// nameless reports whether the file was deleted. A file whose state can't be read counts as
// deleted.
func (s *source) nameless() bool {
	info, err := s.f.Stat()
	return err != nil || nameless(info)
}
