package plaintext

// An escape is a resolver's position in an escape sequence (ECMA-48, section 5).
type escape int

const (
	ground       escape = iota
	escaped             // after ESC
	intermediate        // after ESC and an intermediate byte
	control             // in a control sequence, CSI
	text                // in the text of OSC, DCS, APC, PM, SOS or a title
	textEscaped         // after ESC in such a text
)

// step takes one character through the states.
func (v *Resolver) step(r rune) {
	switch { // these take effect, or end a sequence, in any state
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

// afterEscape takes the character after ESC.
func (v *Resolver) afterEscape(r rune) {
	switch {
	case r == '[':
		v.state, v.params, v.param, v.odd, v.mode = control, [2]int{}, 0, false, false
	case r == ']', r == 'P', r == '_', r == '^', r == 'X', r == 'k': // k: a title, as screen(1) sets it
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

// inControl reads the numbers of a control sequence, and acts at its final byte.
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

// switchScreen switches to the alternate screen or back, if the parameters have such a
// mode.
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

// leave ends the line because the cursor moves to another one.
func (v *Resolver) leave(col int) {
	if len(v.line) > 0 {
		v.emitLine(v.Offset, true)
	}
	v.col = col
}
