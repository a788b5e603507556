package screen

import "strconv"

// Append appends the sequences that bring a new terminal into this state: nothing if the
// state is that of a new terminal. The sequences may move the cursor, but only to the upper
// left corner.
func (s *State) Append(b []byte) []byte { return s.AppendFrom(b, &State{}) }

// AppendFrom appends the sequences that bring a terminal from the state was into this one.
// The cursor may end anywhere if the margins or origin mode differ.
func (s *State) AppendFrom(b []byte, was *State) []byte {
	if s.title != was.title {
		b = append(append(append(b, "\x1b]2;"...), s.title...), bel)
	}
	if s.alt != was.alt {
		b = appendMode(b, int(max(s.alt, was.alt)), true, s.alt != 0)
	}
	for i, set := range s.sets {
		if set != was.sets[i] {
			if set == 0 {
				set = 'B'
			}
			b = append(b, esc, "()*+"[i], set)
		}
	}
	switch s.shift {
	case was.shift:
	case 0:
		b = append(b, si)
	case 1:
		b = append(b, so)
	case 2:
		b = append(b, esc, 'n')
	case 3:
		b = append(b, esc, 'o')
	}
	if at, before := s.buf(), &was.bufs[min(s.alt, 1)]; at.top != before.top || at.bottom != before.bottom {
		b = append(b, "\x1b["...)
		if at.top != 0 {
			b = strconv.AppendInt(b, int64(at.top), 10)
			b = append(b, ';')
			b = strconv.AppendInt(b, int64(at.bottom), 10)
		}
		b = append(b, 'r')
	}
	s.modes.changed(was.modes, func(k int) {
		on := s.modes&(1<<k) != 0
		b = appendMode(b, int(known[k].number), known[k].private, on != initially(k))
	})
	if s.cursor != was.cursor {
		b = strconv.AppendInt(append(b, "\x1b["...), int64(s.cursor), 10)
		b = append(b, " q"...)
	}
	if s.link != was.link {
		b = appendLink(b, s.link)
	}
	b = s.pen.appendSGR(b, was.pen)
	if s.within != was.within {
		b = append(b, esc, s.within) // for OSC, with no valid number
	}
	return b
}

// appendMode appends the sequence that sets or resets a mode.
func appendMode(b []byte, number int, private, on bool) []byte {
	b = append(b, "\x1b["...)
	if private {
		b = append(b, '?')
	}
	b = strconv.AppendInt(b, int64(number), 10)
	if on {
		return append(b, 'h')
	}
	return append(b, 'l')
}

// appendLink appends the beginning of a hyperlink, or the end of one if link is empty.
func appendLink(b []byte, link string) []byte {
	if link == "" {
		link = ";"
	}
	b = append(append(b, "\x1b]8;"...), link...)
	return append(b, "\x1b\\"...)
}
