package hub

import "unicode/utf8"

const replacement = "\uFFFD"

// A UTF8Text turns bytes that come in pieces into pieces of valid UTF-8. A
// character cut by the end of a piece waits for the next one. What is not UTF-8
// becomes U+FFFD, one for each maximal part of a character that is well-formed,
// as browsers and Python do it (Unicode 16, section 3.9).
type UTF8Text struct {
	cut []byte // the beginning of a character
}

// Append returns p, behind what was cut off before, as valid UTF-8. The result
// may share p's memory.
func (t *UTF8Text) Append(p []byte) []byte {
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
			n = Subpart(p)
		} else {
			valid = append(valid, p[:n]...)
		}
		p = p[n:]
	}
	return valid
}

// Flush returns what is left when no more comes: U+FFFD for a cut character.
func (t *UTF8Text) Flush() []byte {
	if len(t.cut) == 0 {
		return nil
	}
	t.cut = nil
	return []byte(replacement)
}

// Subpart returns the length of the longest beginning of p that some character
// begins with, at least 1. p does not begin with a whole character.
func Subpart(p []byte) int {
	n := 1
	for n < len(p) && n < utf8.UTFMax && !utf8.FullRune(p[:n+1]) {
		n++
	}
	return n
}
