// Package plaintext turns a terminal's output into text: it removes escape sequences,
// resolves overwritten text, and repairs UTF-8.
package plaintext

import "unicode/utf8"

const replacement = "\uFFFD"

// A Decoder turns a stream of bytes, written in pieces, into pieces of valid UTF-8. If a
// piece ends within a character, that character's bytes wait for the next piece. Each
// maximal subpart of an ill-formed sequence becomes U+FFFD, as in browsers and Python
// (Unicode 16, section 3.9). The zero value is ready to use. Its methods must not be called
// concurrently.
type Decoder struct {
	cut []byte // the beginning of a character
}

// Decode returns the bytes kept back from earlier calls and p as valid UTF-8, keeping back
// an incomplete character at the end. The result may share p's memory.
func (d *Decoder) Decode(p []byte) []byte {
	if len(d.cut) > 0 {
		p = append(d.cut, p...)
		d.cut = nil
	}
	if n := Whole(p); n < len(p) {
		d.cut = append([]byte(nil), p[n:]...)
		p = p[:n]
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

// Whole returns the length of p without the beginning of a character at its end.
func Whole(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if tail := p[len(p)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return len(p) - i
			}
			break
		}
	}
	return len(p)
}

// Flush returns what is left at the end of the stream: U+FFFD if a character is incomplete.
func (d *Decoder) Flush() []byte {
	if len(d.cut) == 0 {
		return nil
	}
	d.cut = nil
	return []byte(replacement)
}

// subpart returns the length of the longest prefix of p that some character begins with, at
// least 1. p must not begin with a complete character.
func subpart(p []byte) int {
	n := 1
	for n < len(p) && n < utf8.UTFMax && !utf8.FullRune(p[:n+1]) {
		n++
	}
	return n
}
