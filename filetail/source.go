package filetail

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"time"
)

// fingerprintSize is how many bytes before the place of reading are looked at again at
// each read: by its size alone a file that was truncated can't be told from one that
// has only grown, if it has grown beyond that place since.
const fingerprintSize = 256

// A source is an open file that is read from offset on.
type source struct {
	f           *os.File
	info        fs.FileInfo
	since       time.Time // when its name was found to stand for it
	broken      bool      // reading failed: f is to be opened anew
	offset      int64
	fingerprint []byte // the bytes before offset, at most markSize; empty only at 0
	seen        int64  // what size it had when that was last looked at; all up to offset was read
}

// seek moves to offset. If mark is not nil and not what is before offset, it moves
// to 0 instead.
func (s *source) seek(offset int64, mark []byte) error {
	before := make([]byte, min(offset, fingerprintSize))
	n, err := s.f.ReadAt(before, offset-int64(len(before)))
	if err != nil && err != io.EOF {
		return err
	}
	if n < len(before) || mark != nil && !bytes.Equal(mark, before) {
		offset, before = 0, nil
	}
	s.offset, s.fingerprint = offset, before
	return nil
}

// read returns what follows, at most what fits buf, and moves behind it. cut says
// that the file is not what it was before offset, or at 0 what was seen behind it;
// then it moves to 0. At the end of the file it returns nothing.
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

// glance finds out how much there is to read, in case that it is gone before it is
// read. The size is looked at first: with the mark still there it is that of the
// same content.
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

// nameless reports whether the file was deleted. One that can't even tell counts as
// such.
func (s *source) nameless() bool {
	info, err := s.f.Stat()
	return err != nil || nameless(info)
}

// A past is where reading a file ended whose name then stood for another. A name may
// come back to it, as a symbolic link does.
type past struct {
	info        fs.FileInfo
	offset      int64
	fingerprint []byte
}
