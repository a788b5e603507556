package search

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// plainLines returns the length of the whole lines at the beginning of p that are text as they are, except
// that carriage returns may come before a newline. p ends with a newline.
func plainLines(p []byte) int {
	n := plain(p)
	if n < len(p) {
		n = bytes.LastIndexByte(p[:n], '\n') + 1
	}
	return n
}

// plain returns the length of p's longest beginning without control characters, apart from tabs, newlines and
// the carriage returns before them, and without anything that is not UTF-8.
func plain(p []byte) int {
	for i := 0; ; {
		// Eight bytes at a time, as long as all are printable ASCII.
		for ; i+8 <= len(p); i += 8 {
			x := binary.LittleEndian.Uint64(p[i:])
			del := x ^ 0x7f*ones
			if ((x-' '*ones)|(del-ones)|x)&highs != 0 {
				break
			}
		}
		stop := min(i+8, len(p))
		if i == stop {
			return i
		}
		for i < stop {
			switch c := p[i]; {
			case c == '\r':
				end := i
				for end < len(p) && p[end] == '\r' {
					end++
				}
				if end < len(p) && p[end] != '\n' {
					return i
				}
				i = end
			case c < ' ' && c != '\n' && c != '\t' || c == 0x7f:
				return i
			case c < utf8.RuneSelf:
				i++
			default:
				r, n := utf8.DecodeRune(p[i:])
				if r == utf8.RuneError && n == 1 || unicode.IsControl(r) {
					return i
				}
				i += n
			}
		}
	}
}

// uncolored appends a line without the sequences that set colors, and those that erase the rest of the line,
// which is empty. ok reports whether the result is the line's text. The line has no newline.
func uncolored(b, line []byte) (text []byte, ok bool) {
	for len(line) > 0 {
		i := bytes.IndexByte(line, 0x1b)
		if i < 0 {
			b = append(b, line...)
			break
		}
		b = append(b, line[:i]...)
		n := colors(line[i:])
		last := byte(0)
		if len(b) > 0 {
			last = b[len(b)-1]
		}
		// Erasing after a carriage return erases the line, and parts of characters must not become one.
		if n == 0 || last == '\r' && line[i+n-1] == 'K' || last >= utf8.RuneSelf && i+n < len(line) && !utf8.RuneStart(line[i+n]) {
			return b, false
		}
		line = line[i+n:]
	}
	b = bytes.TrimRight(b, "\r")
	return b, plain(b) == len(b)
}

// colors returns the length of the sequence that p begins with if it sets colors (SGR) or erases the rest of
// the line (EL), otherwise 0.
func colors(p []byte) int {
	if len(p) < 3 || p[1] != '[' {
		return 0
	}
	for i, c := range p[2:] {
		switch {
		case c >= '0' && c <= '9' || c == ';' || c == ':':
		case c == 'm', c == 'K' && (i == 0 || i == 1 && p[2] == '0'):
			return i + 3
		default:
			return 0
		}
	}
	return 0
}
