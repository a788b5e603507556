package plaintext

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

const (
	// maxCells is the longest line that is resolved, in cells; a longer one is
	// given out in pieces, so that a stream without line ends costs no memory.
	maxCells = 64 << 10
	// maxParam keeps a sequence's number from overflowing.
	maxParam = maxCells
	// defaultCols is how far movements go where no size was told. Without a limit
	// a few bytes could make megabytes of blanks.
	defaultCols = 120
	tabWidth    = 8
)

// A cell is one column of a line. A character of two columns, and a tab, has
// cells with an r of 0 behind it.
type cell struct {
	r     rune
	marks string // combining characters
}

var blank = cell{r: ' '}

// Where a resolver is in an escape sequence (ECMA-48, section 5).
type escape int

const (
	ground       escape = iota
	escaped             // behind ESC
	intermediate        // behind ESC and an intermediate byte
	control             // in a control sequence, CSI
	text                // in OSC, DCS, APC, PM, SOS or a title
	textEscaped         // behind ESC in one of them
)

// A Resolver turns a terminal's output into lines of text: without escape
// sequences, and with only what is left where carriage returns, backspaces and
// movements within the line wrote over text. Its zero value, with emit set, is
// ready.
type Resolver struct {
	// emit gets a line without its end, and the number of bytes written up to and
	// with that end. whole is false for a piece of a line that goes on. The line
	// is only valid during the call.
	Emit func(line []byte, offset int64, whole bool)
	// offset is that of the next byte to be resolved.
	Offset int64
	// alternate tells that the alternate screen is in use. What is on it is no part
	// of the lines.
	alternate bool
	// cols is the terminal's width, which movements respect; 0 if not known.
	Cols int

	half   []byte // the beginning of a character, which is not resolved yet
	start  int64  // offset of the character being resolved
	line   []cell
	col    int
	state  escape
	bell   bool   // also ends the text
	params [2]int // the first two numbers of a control sequence
	param  int    // index of the one being read
	odd    bool   // the control sequence has a prefix or an intermediate byte
	mode   bool   // the prefix is that of a private mode
	out    []byte
}

// To returns a resolver that writes its lines to w, with their ends. It ignores w's errors:
// a [bufio.Writer] keeps them.
func To(w io.Writer) *Resolver {
	return &Resolver{Emit: func(line []byte, _ int64, whole bool) {
		w.Write(line)
		if whole {
			io.WriteString(w, "\n")
		}
	}}
}

// Begin prepares the resolver for what follows at an offset, behind head, the beginning of
// a sequence that the offset is within.
func (v *Resolver) Begin(offset int64, alternate bool, head []byte) {
	v.alternate = alternate
	v.Offset = offset - int64(len(head))
	v.Write(head)
}

// Write implements [io.Writer]. It never fails.
func (v *Resolver) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n') + 1
		if i == 0 {
			i = len(p)
		}
		v.segment(p[:i])
		p = p[i:]
	}
	return n, nil
}

// Finish gives out the unfinished last line, if there is one.
func (v *Resolver) Finish() {
	if len(v.half) > 0 {
		v.Offset += int64(len(v.half))
		v.half = nil
		v.step(utf8.RuneError)
	}
	if len(v.line) > 0 {
		v.give(v.Offset, false)
	}
}

// segment resolves a piece that may have a newline at its end.
func (v *Resolver) segment(p []byte) {
	if line, ok := bytes.CutSuffix(p, []byte("\n")); ok && !v.alternate && v.state == ground && v.col == 0 && len(v.line) == 0 && len(v.half) == 0 {
		if line = bytes.TrimRight(line, "\r"); isPlain(line) {
			v.Offset += int64(len(p))
			v.Emit(line, v.Offset, true)
			return
		}
	}
	if len(v.half) > 0 {
		p, v.half = append(v.half, p...), nil
	}
	for len(p) > 0 {
		if !utf8.FullRune(p) {
			v.half = bytes.Clone(p)
			return
		}
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			n = subpart(p)
		}
		v.start = v.Offset
		v.Offset += int64(n)
		p = p[n:]
		v.step(r)
	}
}

// isPlain tells whether a line can be taken as it is.
func isPlain(line []byte) bool {
	ascii := true
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return true
	}
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && r != '\t' {
			return false
		}
		line = line[n:]
	}
	return true
}

// step takes one character through the states.
func (v *Resolver) step(r rune) {
	switch { // these act, or end a sequence, wherever they are
	case r == 0x18 || r == 0x1a: // CAN, SUB
		v.state = ground
		return
	case r == 0x1b && v.state == text:
		v.state = textEscaped
		return
	case r == 0x1b:
		v.state = escaped
		return
	case r < ' ' && v.state != text && v.state != textEscaped:
		v.control(r)
		return
	}
	switch v.state {
	case ground:
		v.print(r)
	case escaped, textEscaped:
		v.afterEscape(r)
	case intermediate:
		if r >= '0' {
			v.state = ground
		}
	case control:
		v.inControl(r)
	case text:
		if r == 0x07 && v.bell || r == 0x9c { // BEL, ST
			v.state = ground
		}
	}
}

func (v *Resolver) afterEscape(r rune) {
	switch {
	case r == '[':
		v.state, v.params, v.param, v.odd, v.mode = control, [2]int{}, 0, false, false
	case r == ']', r == 'P', r == '_', r == '^', r == 'X', r == 'k': // k: a title, by screen
		v.state, v.bell = text, r == ']'
	case r == 'E': // NEL
		v.state = ground
		v.control('\n')
	case r == 'c': // RIS
		v.state, v.alternate = ground, false
	case r >= ' ' && r < '0':
		v.state = intermediate
	default: // a two-byte sequence, ST among them
		v.state = ground
	}
}

// inControl reads a control sequence's numbers and acts at its final byte.
func (v *Resolver) inControl(r rune) {
	switch {
	case r >= '0' && r <= '9':
		if v.param < len(v.params) {
			v.params[v.param] = min(v.params[v.param]*10+int(r-'0'), maxParam)
		}
	case r == ';':
		v.param++
	case r < '@':
		v.odd = true
		v.mode = v.mode || r == '?'
	default:
		v.state = ground
		if !v.odd {
			v.act(r)
		} else if v.mode && (r == 'h' || r == 'l') {
			v.switchScreen(r == 'h')
		}
	}
}

// switchScreen goes to the alternate screen and back.
func (v *Resolver) switchScreen(alternate bool) {
	for _, mode := range v.params {
		if mode == 47 || mode == 1047 || mode == 1049 {
			v.alternate = alternate
		}
	}
}

// act does what a control sequence does within a line (ECMA-48, section 8.3).
func (v *Resolver) act(final rune) {
	if v.alternate {
		return
	}
	n := max(v.params[0], 1)
	cols := v.Cols
	if cols == 0 {
		cols = defaultCols
	}
	cols = max(cols, len(v.line))
	switch final {
	case 'A', 'B', 'd', 'e': // CUU, CUD, VPA, VPR: to another line
		v.leave(v.col)
	case 'E', 'F': // CNL, CPL
		v.leave(0)
	case 'H', 'f': // CUP, HVP
		v.leave(min(max(v.params[1], 1), cols) - 1)
	case 'C', 'a': // CUF, HPR
		v.col = min(v.col+n, max(cols-1, v.col))
	case 'D': // CUB
		v.col = max(v.col-n, 0)
	case 'G', '`': // CHA, HPA
		v.col = min(n, cols) - 1
	case 'K': // EL
		switch v.params[0] {
		case 0:
			v.cut(v.col)
		case 1:
			v.blank(0, v.col+1)
		case 2:
			v.cut(0)
		}
	case 'X': // ECH
		v.blank(v.col, v.col+n)
	case 'P': // DCH
		if v.col < len(v.line) {
			v.split(v.col)
			end := min(v.col+n, len(v.line))
			v.split(end)
			v.line = append(v.line[:v.col], v.line[end:]...)
		}
	case '@': // ICH
		if n = min(n, cols); v.col < len(v.line) && len(v.line)+n <= maxCells {
			v.split(v.col)
			v.line = append(v.line, make([]cell, n)...)
			copy(v.line[v.col+n:], v.line[v.col:])
			for i := range n {
				v.line[v.col+i] = blank
			}
		}
	}
}

// leave ends the line, for the cursor is going to another one.
func (v *Resolver) leave(col int) {
	if len(v.line) > 0 {
		v.give(v.Offset, true)
	}
	v.col = col
}

// control does a control character.
func (v *Resolver) control(r rune) {
	if v.alternate {
		return
	}
	switch r {
	case '\n', '\v', '\f':
		v.give(v.Offset, true)
	case '\r':
		v.col = 0
	case '\b':
		v.col = max(v.col-1, 0)
	case '\t':
		to := v.col - v.col%tabWidth + tabWidth
		if v.col < len(v.line) { // over text a tab only moves
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
