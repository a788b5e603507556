package plaintext

import (
	"unicode"

	"golang.org/x/text/width"
)

// control does what a control character says.
func (v *Resolver) control(r rune) {
	if v.alternate {
		return
	}
	switch r {
	case '\n', '\v', '\f':
		v.emitLine(v.Offset, true)
	case '\r':
		v.col = 0
	case '\b':
		v.col = max(v.col-1, 0)
	case '\t':
		to := v.col - v.col%tabWidth + tabWidth
		if v.col < len(v.line) { // over text, a tab only moves the cursor
			v.col = to
			return
		}
		v.pad(v.col)
		v.put(cell{r: '\t'}, to-v.col)
	}
}

// print puts a character at the cursor.
func (v *Resolver) print(r rune) {
	switch {
	case r < 0x7f && !v.alternate:
		v.put(cell{r: r}, 1)
	case r == 0x9b: // CSI as one character
		v.afterEscape('[')
	case r == 0x90 || r == 0x98 || r >= 0x9d && r <= 0x9f: // DCS, SOS, OSC, PM, APC
		v.state, v.bell = text, r == 0x9d
	case r == 0x85: // NEL
		v.control('\n')
	case v.alternate:
	case r == 0x7f || unicode.IsControl(r):
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) && v.combine(r):
	default:
		columns := 1
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			columns = 2
		}
		v.put(cell{r: r}, columns)
	}
}
