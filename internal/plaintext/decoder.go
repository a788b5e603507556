// Package plaintext turns a terminal's output into text: it removes escape sequences,
// resolves overwritten text, and repairs UTF-8.
package plaintext

import "unicode/utf8"

const replacement = "\uFFFD"

// A Decoder turns a stream of bytes, written in pieces, into pieces of valid UTF-8. A
// character cut by the end of a piece waits for the next one. Each maximal subpart of an
// ill-formed sequence becomes U+FFFD, as in browsers and Python (Unicode 16, section 3.9).
type Decoder struct {
	cut []byte // the beginning of a character
}

// Decode returns p, behind what was cut off before, as valid UTF-8. The result
// may share p's memory.
func (t *Decoder) Decode(p []byte) []byte {
	if len(t.cut) > 0 {
		p = append(t.cut, p...)
		t.cut = nil
	}
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if tail := p[len(p)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				t.cut = append([]byte(nil), tail...)
				p = p[:len(p)-i]
			}
			break
		}
	}
	if utf8.Valid(p) {
		return p
	}
	valid := make([]byte, 0, len(p)+16)
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			valid = append(valid, replacement...)
			n = subpart(p)
		} else {
			valid = append(valid, p[:n]...)
		}
		p = p[n:]
	}
	return valid
}

// Pending returns how many bytes wait for the rest of their character.
func (t *Decoder) Pending() int { return len(t.cut) }

// Flush returns what is left when no more comes: U+FFFD for a cut character.
func (t *Decoder) Flush() []byte {
	if len(t.cut) == 0 {
		return nil
	}
	t.cut = nil
	return []byte(replacement)
}

// subpart returns the length of the longest beginning of p that some character
// begins with, at least 1. p does not begin with a whole character.
func subpart(p []byte) int {
	n := 1
	for n < len(p) && n < utf8.UTFMax && !utf8.FullRune(p[:n+1]) {
		n++
	}
	return n
}
