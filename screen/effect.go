package screen

import "bytes"

// An effect is what a control sequence does besides changing the state.
type effect int

const (
	nothing     effect = iota
	entered            // the alternate screen
	left               // the alternate screen, back to where the cursor was saved
	leftAlong          // the alternate screen, taking the cursor along
	erased             // the whole screen
	erasedBelow        // everything from the cursor on
	addressed          // a row of the screen
	homed              // the cursor moved to the upper left corner
	reversed           // the cursor moved up a row, or the rows moved down
	advanced           // the cursor moved down a row, or the rows moved up
	reset              // everything
	savedCursor
	restored // the cursor
)

// apply does what a complete control sequence says.
func (s *State) apply(seq []byte) effect {
	switch seq[0] {
	case so, si:
		s.shift = si - seq[0]
		return nothing
	case c1:
		switch seq[1] {
		case 0x9b:
			return s.control(seq[2:])
		case 0x9d:
			s.command(seq[2:])
		case 0x84, 0x85:
			return advanced
		}
		return nothing
	}
	seq = seq[1:]
	if len(seq) > 0 && seq[0] != ']' {
		seq = s.execute(seq)
	}
	if len(seq) == 0 {
		return nothing
	}
	switch final := seq[len(seq)-1]; {
	case final == can || final == sub:
		return nothing
	case seq[0] == '[':
		return s.control(seq[1:])
	case seq[0] == ']':
		s.command(seq[1:])
		return nothing
	case len(seq) == 2:
		s.designate(seq[0], final)
		return nothing
	case len(seq) > 2:
		return nothing
	}
	return s.escape(seq[0])
}

// escape does what ESC followed by a final byte says.
func (s *State) escape(final byte) effect {
	switch final {
	case '7':
		s.save()
		return savedCursor
	case '8':
		s.restore()
		return restored
	case 'c':
		*s = State{rows: s.rows}
		return reset
	case '=':
		s.modes |= maskOf(66)
	case '>':
		s.modes &^= maskOf(66)
	case 'D', 'E':
		return advanced
	case 'M':
		return reversed
	case 'n', '}':
		s.shift = 2
	case 'o', '|':
		s.shift = 3
	case '~':
		s.shift = 1
	}
	return nothing
}

// execute does what control characters within a sequence say, and returns the sequence
// without them.
func (s *State) execute(seq []byte) []byte {
	for _, c := range seq {
		if c >= ' ' && c != 0x7f || c == can || c == sub {
			continue
		}
		return bytes.Map(func(r rune) rune {
			switch {
			case r == so || r == si:
				s.shift = uint8(si - r)
			case !isC0(r) || r == can || r == sub:
				return r
			}
			return -1
		}, seq)
	}
	return seq
}

// isC0 reports whether r is a C0 control character or DEL.
func isC0(r rune) bool { return r < ' ' || r == 0x7f }

// designate makes a character set one of the four (ISO 2022) or, with '%', makes all four
// ASCII.
func (s *State) designate(inter, final byte) {
	if inter == '%' && (final == '@' || final == 'G') {
		s.sets, s.shift = [4]byte{}, 0
		return
	}
	set, ok := map[byte]int{'(': 0, ')': 1, '-': 1, '*': 2, '.': 2, '+': 3}[inter]
	if !ok {
		return
	}
	if final == 'B' {
		final = 0
	} else if charsets[final] == nil {
		return
	}
	s.sets[set] = final
}

// control does what a control sequence says; p follows its introducer.
func (s *State) control(p []byte) effect {
	var ps params
	ps.parse(p)
	switch {
	case ps.prefix == 0 && ps.inter == 0:
		return s.plain(&ps)
	case ps.prefix == '?' && ps.inter == 0 && (ps.final == 'h' || ps.final == 'l'):
		return s.private(&ps)
	case ps.prefix == 0 && ps.inter == ' ' && ps.final == 'q':
		s.cursor = uint8(min(ps.value(0), 6))
	case ps.prefix == 0 && ps.inter == '!' && ps.final == 'p':
		s.pen, s.link, s.sets, s.shift = pen{}, "", [4]byte{}, 0
		s.modes &= hard
		*s.buf() = buf{}
	}
	return nothing
}

// plain does what a control sequence without a prefix and intermediate bytes says.
func (s *State) plain(ps *params) effect {
	switch ps.final {
	case 'm':
		s.pen.apply(ps)
	case 'h', 'l':
		for i := range ps.n {
			s.set(ps.value(i), false, ps.final == 'h')
		}
	case 'r':
		top, bottom := ps.or(0, 1), ps.value(1)
		if s.rows > 0 && (bottom == 0 || bottom > s.rows) {
			bottom = s.rows
		}
		if bottom > 0 && bottom <= top {
			break
		}
		if top == 1 && bottom == s.rows {
			top, bottom = 0, 0
		}
		b := s.buf()
		b.top, b.bottom = uint16(min(top, 1<<16-1)), uint16(min(bottom, 1<<16-1))
	case 's':
		s.save()
		return savedCursor
	case 'u':
		s.restore()
		return restored
	case 'J':
		switch ps.value(0) {
		case 0:
			return erasedBelow
		case 2:
			return erased
		}
	case 'H', 'f':
		if ps.or(0, 1) == 1 && ps.or(1, 1) == 1 {
			return homed
		}
		return addressed
	case 'd':
		return addressed
	}
	return nothing
}

// command does what an operating system command (OSC) says; p follows its introducer.
func (s *State) command(p []byte) {
	number, text, ok := bytes.Cut(bytes.TrimSuffix(bytes.TrimSuffix(p, []byte{bel}), []byte{c1, st}), []byte{';'})
	if !ok || len(text) > 0 && (text[len(text)-1] == can || text[len(text)-1] == sub) {
		return
	}
	text = bytes.Map(func(r rune) rune {
		if isC0(r) {
			return -1
		}
		return r
	}, bytes.ToValidUTF8(text, []byte("\ufffd")))
	if len(text) > maxText {
		return
	}
	switch string(number) {
	case "0", "2":
		s.title = string(text)
	case "8":
		if _, target, ok := bytes.Cut(text, []byte{';'}); ok && len(target) > 0 {
			s.link = string(text)
		} else {
			s.link = ""
		}
	}
}
