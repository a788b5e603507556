package filetail

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// blockSize is how much of a file is read at a time, forwards and backwards.
const blockSize = 16 << 10

// Tail returns the offset at which the last lines of f's first size bytes begin or, if maxBytes > 0
// and that is less than the lines have, the offset of the first line that begins within the last
// maxBytes bytes. If no line begins there, the offset is that of the first byte there, moved
// forward to the start of a character. An unfinished last line counts as one; a negative
// lines means all lines.
//
// Tail reads backwards, at most the lines and one block or, if maxBytes limits them, twice
// maxBytes. If the file is truncated meanwhile, the error wraps [io.ErrUnexpectedEOF].
func Tail(f io.ReaderAt, size int64, lines int, maxBytes int64) (offset int64, err error) {
	offset, err = tail(f, size, lines, maxBytes)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, fmt.Errorf("find the last lines: %w", err)
	}
	return offset, nil
}

// tail is Tail of f[:size]. If the file is shorter, the error is [io.EOF].
func tail(f io.ReaderAt, size int64, lines int, maxBytes int64) (offset int64, err error) {
	low := int64(0)
	if maxBytes > 0 {
		low = max(0, size-maxBytes)
	}
	found := false
	if lines >= 0 {
		offset, found, err = lastLines(f, lines, low, size)
	}
	if !found && err == nil {
		offset, err = firstLine(f, low, size)
	}
	return offset, err
}

// lastLines looks for the start of the last n lines of f[:size], down to low.
func lastLines(f io.ReaderAt, n int, low, size int64) (offset int64, found bool, err error) {
	if n == 0 {
		return size, true, nil
	}
	if size == 0 {
		return 0, true, nil
	}
	buf := make([]byte, min(blockSize, size-low+1))
	// The last byte ends the last line, or is part of it.
	for end := size - 1; end > low; {
		block := buf[:min(int64(len(buf)), end-low)]
		start := end - int64(len(block))
		if _, err := f.ReadAt(block, start); err != nil {
			return 0, false, err
		}
		if c := bytes.Count(block, newline); c < n {
			n -= c
			end = start
			continue
		}
		for {
			i := bytes.LastIndexByte(block, '\n')
			if n--; n == 0 {
				return start + int64(i) + 1, true, nil
			}
			block = block[:i]
		}
	}
	return 0, low == 0, nil
}

// firstLine returns the offset of the first line that begins at or after low or, if none
// does before size, of the first character there.
func firstLine(f io.ReaderAt, low, size int64) (int64, error) {
	if low == 0 {
		return 0, nil
	}
	buf := make([]byte, min(blockSize, size-low+1))
	// From the byte before low, which may end a line, up to the one before the last.
	for at := low - 1; at < size-1; {
		block := buf[:min(int64(len(buf)), size-1-at)]
		if _, err := f.ReadAt(block, at); err != nil {
			return 0, err
		}
		if i := bytes.IndexByte(block, '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		at += int64(len(block))
	}
	head := buf[:min(utf8.UTFMax-1, size-low)]
	if _, err := f.ReadAt(head, low); err != nil {
		return 0, err
	}
	for i, b := range head {
		if utf8.RuneStart(b) {
			return low + int64(i), nil
		}
	}
	return low + int64(len(head)), nil
}

var newline = []byte{'\n'}
