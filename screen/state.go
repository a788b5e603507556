package screen

import (
	"bytes"
	"unicode/utf8"
)

const (
	// maxSequence is how long a control sequence may be, in bytes, to be understood. The
	// rest of a longer one is skipped.
	maxSequence = 64 << 10
	// maxText is how long a title or a link may be, in bytes, to be kept.
	maxText = 4 << 10
)

// A State is what a terminal remembers besides the characters on its screen: how it draws
// the next one, and its modes. The zero value is the state of a new terminal. States can be
// copied, and compared with ==.
type State struct {
	pen    pen
	link   string // as in OSC 8: parameters, a semicolon and the target; empty for none
	modes  modes
	sets   [4]byte // the final byte of each character set's designation; 0 for ASCII
	shift  uint8   // index of the set in use
	cursor uint8   // its shape, as in DECSCUSR
	title  string
	alt    uint16 // the mode that switched to the alternate screen; 0 on the normal one
	bufs   [2]buf // of the normal and of the alternate screen
	within byte   // the kind of sequence whose rest is skipped: ']' for OSC, '_' for other strings, '[' for the rest; or 0
	rows   int    // 0 if unknown
}

// A buf is what the normal and the alternate screen each have of their own.
type buf struct {
	top, bottom uint16 // margins, from 1; 0 for the screen's edges
	saved       saved
}

// saved is what Save Cursor (DECSC) saves besides the position.
type saved struct {
	pen   pen
	sets  [4]byte
	shift uint8
	link  bool // there was a link; Restore Cursor can only end a link, not begin one
}

// Scan follows p up to the last place that is outside of control sequences, and returns how
// many bytes that is. The caller must pass the rest again, with what follows it.
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

// ScanTo follows p up to the first place at or after least that is outside of control
// sequences, and returns that place. If there is none, it returns least, and head is the
// beginning of the sequence that least is in.
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

// Within reports whether the rest of a sequence that is too long is being skipped.
func (s *State) Within() bool { return s.within != 0 }

// Alternate reports whether the alternate screen is in use.
func (s *State) Alternate() bool { return s.alt != 0 }

// tooLong reports whether p, the beginning of a control sequence, is so long that the rest
// of the sequence must be skipped.
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

// skip skips the rest of a sequence that is too long. It returns how many bytes of p belong
// to the sequence, and whether the sequence ends there.
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

// buf returns what the screen in use has of its own.
func (s *State) buf() *buf { return &s.bufs[min(s.alt, 1)] }

// save does what Save Cursor (DECSC) says, but for the position.
func (s *State) save() { s.buf().saved = saved{s.pen, s.sets, s.shift, s.link != ""} }

// restore does what Restore Cursor (DECRC) says, but for the position.
func (s *State) restore() {
	was := s.buf().saved
	s.pen, s.sets, s.shift = was.pen, was.sets, was.shift
	if !was.link {
		s.link = ""
	}
}

// Skip reports that output was missed: the end of a sequence may have been part of it.
func (s *State) Skip() { s.within = 0 }

// Texts returns the texts that take more memory the longer they are: the title and the link.
func (s *State) Texts() (title, link string) { return s.title, s.link }

// Resize sets the terminal's number of rows, which resets its margins.
func (s *State) Resize(rows int) {
	s.rows = rows
	for i := range s.bufs {
		s.bufs[i].top, s.bufs[i].bottom = 0, 0
	}
}
