package screen

import (
	"bytes"
	"unicode/utf8"
)

const (
	esc = 0x1b
	can = 0x18
	sub = 0x1a
	so  = 0x0e
	si  = 0x0f
	bel = 0x07
	// In UTF-8, the control characters from 0x80 to 0x9f (C1) begin with this byte.
	c1 = 0xc2
	st = 0x9c

	maxParams = 32 // as many as xterm.js respects
	maxParam  = 1 << 24
)

// next finds the first control sequence in p. Shifts between character sets count as
// control sequences, other control characters don't. The sequence begins at start and ends
// before end; end is 0 if the sequence is incomplete, and start is len(p) if there is none.
// If rare is false, p has only sequences that begin with ESC (see hasRare).
func next(p []byte, rare bool) (start, end int) {
	// Searching a growing part of p keeps a sequence near the start cheap to find. The part
	// may end within a sequence's introducer.
	for n := 256; ; n *= 4 {
		if n = min(n, len(p)); !rare {
			n = len(p)
		}
		if start = introducer(p[:n]); rare {
			start = rareIntroducer(p[:start])
		}
		if start < n-1 || n == len(p) {
			break
		}
	}
	if start == len(p) {
		return start, start
	}
	if end = length(p[start:]); end > 0 {
		end += start
	}
	return start, end
}

// introducer returns where the first ESC is, or len(p).
func introducer(p []byte) int {
	if i := bytes.IndexByte(p, esc); i >= 0 {
		return i
	}
	return len(p)
}

// hasRare reports whether p may have control sequences that don't begin with ESC.
func hasRare(p []byte) bool {
	return bytes.IndexByte(p, so) >= 0 || bytes.IndexByte(p, si) >= 0 || bytes.IndexByte(p, c1) >= 0
}

// rareIntroducer returns where the first sequence begins that doesn't begin with ESC, or
// len(p).
func rareIntroducer(p []byte) int {
	for _, c := range [...]byte{so, si} {
		if i := bytes.IndexByte(p, c); i >= 0 {
			p = p[:i]
		}
	}
	for from := 0; ; {
		i := bytes.IndexByte(p[from:], c1)
		if i < 0 {
			return len(p)
		}
		from += i + 1
		if from == len(p) || p[from] >= utf8.RuneSelf && p[from] < 0xa0 {
			return from - 1
		}
	}
}

// length returns the length of the control sequence at the start of p, or 0 if the sequence
// continues after p. A sequence that another one aborts ends before that.
func length(p []byte) int {
	i := 1
	switch p[0] {
	case so, si:
		return 1
	case c1:
		if len(p) < 2 {
			return 0
		}
		switch p[1] {
		case 0x9b:
			return control(p, 2)
		case 0x9d:
			return str(p, 2, true)
		case 0x90, 0x98, 0x9e, 0x9f:
			return str(p, 2, false)
		}
		return 2
	}
	if len(p) > 1 && p[1] == '[' { // like most sequences
		return control(p, 2)
	}
	for ; i < len(p); i++ {
		switch c := p[i]; {
		case c == can || c == sub:
			return i + 1
		case c == esc || c >= utf8.RuneSelf:
			return i
		case c < '0' || c == 0x7f: // an intermediate byte, or a control character
		case c == '[' && !hasIntermediate(p[1:i]):
			return control(p, i+1)
		case c == ']' && !hasIntermediate(p[1:i]):
			return str(p, i+1, true)
		case (c == 'P' || c == 'X' || c == '^' || c == '_') && !hasIntermediate(p[1:i]):
			return str(p, i+1, false)
		default:
			return i + 1
		}
	}
	return 0
}

// hasIntermediate reports whether p has an intermediate byte (ECMA-48, section 5.4).
func hasIntermediate(p []byte) bool {
	return bytes.ContainsFunc(p, func(r rune) bool { return r >= ' ' && r < '0' })
}

// control returns the end of a control sequence whose parameters begin at i, or 0 if the
// sequence continues after p.
func control(p []byte, i int) int {
	for ; i < len(p); i++ {
		switch c := p[i]; {
		case c >= '@' && c < 0x7f, c == can, c == sub:
			return i + 1
		case c == esc || c >= utf8.RuneSelf:
			return i
		}
	}
	return 0
}

// str returns the end of a control string that begins at i, or 0 if the string continues
// after p. ESC ends the string too, because the ST that follows is a sequence of its own.
// bell reports whether BEL also ends it.
func str(p []byte, i int, bell bool) int {
	for ; i < len(p); i++ {
		switch c := p[i]; {
		case c == esc:
			return i
		case c == can, c == sub, c == bel && bell:
			return i + 1
		case c == c1 && i+1 < len(p) && p[i+1] == st:
			return i + 2
		}
	}
	return 0
}

// params are the parameters of a control sequence.
type params struct {
	n      int
	v      [maxParams]int32 // -1 for an empty parameter
	sub    [maxParams]bool  // follows a colon: belongs to the parameter before
	prefix byte             // '?', '>', '=', '<' or 0
	inter  byte             // the last intermediate byte, or 0
	final  byte
}

// value returns the i-th parameter, or 0 if there is none.
func (ps *params) value(i int) int {
	if i >= ps.n {
		return 0
	}
	return max(int(ps.v[i]), 0)
}

// or returns the i-th parameter, or def if the parameter is missing or zero.
func (ps *params) or(i, def int) int {
	if v := ps.value(i); v > 0 {
		return v
	}
	return def
}

// parse parses what follows CSI, including the final byte.
func (ps *params) parse(p []byte) {
	ps.n, ps.prefix, ps.inter, ps.final = 1, 0, 0, 0
	ps.v[0], ps.sub[0] = -1, false
	full := false
	for _, c := range p {
		switch {
		case c >= '0' && c <= '9' && full:
		case c >= '0' && c <= '9':
			v := &ps.v[ps.n-1]
			*v = min(max(*v, 0)*10+int32(c-'0'), maxParam)
		case c == ';' || c == ':':
			if full = ps.n == maxParams; !full {
				ps.v[ps.n], ps.sub[ps.n] = -1, c == ':'
				ps.n++
			}
		case c >= '<' && c <= '?':
			ps.prefix = c
		case c >= ' ' && c < '0':
			ps.inter = c
		case c >= '@':
			ps.final = c
		}
	}
}
