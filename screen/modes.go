package screen

import (
	"math/bits"
	"slices"
)

// modes has a bit for each mode in known that differs from a new terminal's.
type modes uint32

// known are the modes that matter to viewers, in the order in which they are set. Other
// modes concern keys, and viewers press none.
var known = [...]struct {
	number  uint16
	private bool // with the prefix '?'
}{
	{4, false},   // insert
	{20, false},  // newline
	{1, true},    // cursor keys
	{5, true},    // reverse video
	{7, true},    // wrap, on in a new terminal
	{12, true},   // blinking cursor
	{45, true},   // reverse wrap
	{66, true},   // keypad
	{9, true},    // mouse: presses
	{1000, true}, // mouse: presses and releases
	{1002, true}, // mouse: drags
	{1003, true}, // mouse: all movements
	{1004, true}, // focus
	{1006, true}, // mouse: SGR encoding
	{1016, true}, // mouse: SGR encoding in pixels
	{2004, true}, // bracketed paste
	{25, true},   // visible cursor, on in a new terminal
	{6, true},    // origin, which also moves the cursor
}

var (
	mouseModes    = maskOf(9) | maskOf(1000) | maskOf(1002) | maskOf(1003)
	mouseEncoding = maskOf(1006) | maskOf(1016)
	originMode    = maskOf(6)
	newlineMode   = modes(1 << 1)
	// followed are the modes that the emulator is told about.
	followed = maskOf(7) | newlineMode
	// hard are the modes that a soft reset (DECSTR) leaves alone.
	hard = mouseModes | mouseEncoding | maskOf(5) | maskOf(12)
)

// maskOf returns the bit of a private mode, or 0 if the mode is not in known.
func maskOf(number uint16) modes {
	for i, m := range known {
		if m.private && m.number == number {
			return 1 << i
		}
	}
	return 0
}

// initially reports whether mode k of known is set in a new terminal.
func initially(k int) bool {
	return known[k].private && (known[k].number == 7 || known[k].number == 25)
}

// private sets and resets private modes (DECSET, DECRST).
func (s *State) private(ps *params) effect {
	on, what := ps.final == 'h', nothing
	for i := range ps.n {
		switch n := ps.value(i); n {
		case 2:
			if on {
				s.sets = [4]byte{}
			}
		case 6:
			s.set(n, true, on)
			what = homed
		case 1048:
			if on {
				s.save()
				what = savedCursor
			} else {
				s.restore()
				what = restored
			}
		case 47, 1047, 1049:
			switch {
			case on && n == 1049:
				s.save()
				if what = savedCursor; s.alt == 0 {
					s.alt, what = uint16(n), entered
				}
			case on && s.alt == 0:
				s.alt, what = uint16(n), entered
			case !on:
				was := s.alt
				if was != 0 {
					s.alt, s.bufs[1], what = 0, buf{}, leftAlong
				}
				if n == 1049 {
					s.restore()
					if what = restored; was != 0 {
						what = left
					}
				}
			}
		default:
			s.set(n, true, on)
		}
	}
	return what
}

// set sets or resets a mode in known, and ignores other modes.
func (s *State) set(number int, private, on bool) {
	k := slices.IndexFunc(known[:], func(m struct {
		number  uint16
		private bool
	}) bool {
		return int(m.number) == number && m.private == private
	})
	if k < 0 {
		return
	}
	bit := modes(1) << k
	for _, exclusive := range [...]modes{mouseModes, mouseEncoding} {
		if bit&exclusive != 0 {
			s.modes &^= exclusive
		}
	}
	if on != initially(k) {
		s.modes |= bit
	} else {
		s.modes &^= bit
	}
}

// changed calls f with the index in known of each mode in which m and was differ.
func (m modes) changed(was modes, f func(k int)) {
	for d := uint32(m ^ was); d != 0; d &= d - 1 {
		f(bits.TrailingZeros32(d))
	}
}
