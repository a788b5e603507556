package filetail

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"time"
)

// markSize is how many bytes before the place of reading are looked at again at
// each read: by its size alone a file that was truncated can't be told from one that
// has only grown, if it has grown beyond that place since.
const markSize = 256

// A source is an open file that is read from offset on.
type source struct {
	f      *os.File
	info   fs.FileInfo
	since  time.Time // when its name was found to stand for it
	broken bool      // reading failed: f is to be opened anew
	offset int64
	mark   []byte // the bytes before offset, at most markSize; empty only at 0
}

// seek moves to offset. If mark is not nil and not what is before offset, it moves
// to 0 instead.
func (s *source) seek(offset int64, mark []byte) error {
	before := make([]byte, min(offset, markSize))
	n, err := s.f.ReadAt(before, offset-int64(len(before)))
	if err != nil && err != io.EOF {
		return err
	}
	if n < len(before) || mark != nil && !bytes.Equal(mark, before) {
		offset, before = 0, nil
	}
	s.offset, s.mark = offset, before
	return nil
}

// read returns what follows, at most what fits buf, and moves behind it. truncated
// says that the file is not what it was before offset; then it moves to 0. At the
// end of the file it returns nothing.
func (s *source) read(buf []byte) (data []byte, truncated bool, err error) {
	n, err := s.f.ReadAt(buf, s.offset-int64(len(s.mark)))
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	if n < len(s.mark) || !bytes.Equal(buf[:len(s.mark)], s.mark) {
		s.offset, s.mark = 0, nil
		return nil, true, nil
	}
	data = buf[len(s.mark):n]
	s.offset += int64(len(data))
	s.mark = append(s.mark[:0], buf[max(0, n-markSize):n]...)
	return data, false, nil
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
	info   fs.FileInfo
	offset int64
	mark   []byte
}
