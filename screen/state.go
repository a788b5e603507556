package screen

import (
	"bytes"
	"unicode/utf8"
)

const (
	// maxSequence is how long a control sequence may be that is understood, in
	// bytes: the rest of a longer one is skipped.
	maxSequence = 64 << 10
	// maxText is how long a title or a link may be that is kept, in bytes.
	maxText = 4 << 10
)

// A State is what a terminal remembers beside the characters on its screen: how it
// draws the next one, and its modes. The zero value is that of a new terminal.
// States can be copied, and compared with ==.
type State struct {
	pen    pen
	link   string // of OSC 8: parameters, a semicolon, and the target; empty for none
	modes  modes
	sets   [4]byte // final byte of each character set's designation; 0 for ASCII
	shift  uint8   // which of sets is in use
	cursor uint8   // shape, as in DECSCUSR
	title  string
	alt    uint16 // the mode that switched to the alternate screen; 0 on the normal one
	bufs   [2]buf // of the normal and of the alternate screen
	within byte   // the sequence whose rest is skipped: ']', '_' for any other string, '[' for the others, or 0
	rows   int    // 0 if not known
}

// A buf is what each of the two screens has of its own.
type buf struct {
	top, bottom uint16 // margins, from 1; 0 for the screen's edges
	saved       saved
}

// saved is what Save Cursor saves beside the position.
type saved struct {
	pen   pen
	sets  [4]byte
	shift uint8
	link  bool // whether there is one: only that there is none is restored
}

// An effect is what a control sequence does that is more than a new state.
type effect int

const (
	nothing     effect = iota
	entered            // the alternate screen
	left               // it, back to where the cursor was saved
	leftAlong          // it, with the cursor taken along
	erased             // the whole screen
	erasedBelow        // all from the cursor on
	addressed          // a row of the screen
	homed              // to the upper left corner
	reversed           // the cursor is moved up by a row, or all others down
	advanced           // the cursor is moved down by a row, or all others up
	reset              // everything
	savedCursor
	restored // the cursor
)

// Scan follows p as far as that ends outside of control sequences and returns how
// many bytes that is. The rest is to be given again, with what follows it.
func (s *State) Scan(p []byte) int {
	at, rare := 0, hasRare(p)
	for {
		if s.within != 0 {
			n, ok := s.skip(p[at:])
			at += n
			if !ok {
				return at
			}
		}
		start, end := next(p[at:], rare)
		switch {
		case end == 0 && !s.tooLong(p[at+start:]):
			return at + start
		case end == 0 || start == end:
			return len(p)
		}
		s.apply(p[at+start : at+end])
		at += end
	}
}

// ScanTo follows p up to the first place from offset least on that is outside of
// control sequences, and returns where that is. If there is none it is least, and head
// is the beginning of the sequence there.
func (s *State) ScanTo(p []byte, least int) (at int, head []byte) {
	n := s.Scan(p[:least])
	if n == least {
		return n, nil
	}
	if _, end := next(p[n:], true); end > 0 {
		s.apply(p[n : n+end])
		return n + end, nil
	}
	return least, p[n:least]
}

// Alternate tells whether the alternate screen is in use.
func (s *State) Alternate() bool { return s.alt != 0 }

// tooLong tells whether p, the beginning of a control sequence, is so long that
// the rest of it is to be skipped.
func (s *State) tooLong(p []byte) bool {
	if len(p) <= maxSequence {
		return false
	}
	s.within = '['
	if kind := bytes.TrimLeft(p[:2], "\x1b\xc2"); len(kind) > 0 {
		switch kind[0] {
		case ']', 0x9d:
			s.within = ']'
		case 'P', 'X', '^', '_', 0x90, 0x98, 0x9e, 0x9f:
			s.within = '_'
		}
	}
	return true
}

// skip goes on with a sequence that is too long, and returns how much of p belongs
// to it and whether that was all.
func (s *State) skip(p []byte) (int, bool) {
	n, aborted := 0, len(p) > 0 && p[0] == esc
	if s.within == '[' {
		n, aborted = control(p, 0), aborted || len(p) > 0 && p[0] >= utf8.RuneSelf
	} else {
		n = str(p, 0, s.within == ']')
	}
	if n == 0 && !aborted {
		return len(p), false
	}
	s.within = 0
	return n, true
}

// apply does what a whole control sequence says.
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
	switch seq[0] {
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

// execute does what control characters within a sequence say, at once, and returns
// the sequence without them.
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

func isC0(r rune) bool { return r < ' ' || r == 0x7f }

// designate makes a character set one of the four (ISO 2022), or, with '%', all of
// them ASCII.
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

func (s *State) buf() *buf { return &s.bufs[min(s.alt, 1)] }

func (s *State) save() { s.buf().saved = saved{s.pen, s.sets, s.shift, s.link != ""} }

func (s *State) restore() {
	was := s.buf().saved
	s.pen, s.sets, s.shift = was.pen, was.sets, was.shift
	if !was.link {
		s.link = ""
	}
}

// control does what a control sequence says, without its introducer.
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

// plain does what a control sequence without prefix and intermediate bytes says.
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

// command does what an operating system command says, without its introducer.
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

// resize is for a terminal that gets another number of rows, which resets its
// margins.
func (s *State) resize(rows int) {
	s.rows = rows
	for i := range s.bufs {
		s.bufs[i].top, s.bufs[i].bottom = 0, 0
	}
}
