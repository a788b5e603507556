package screen

import (
	"bytes"
	"fmt"
	"time"
)

// text follows p, which contains no control sequences.
func (s *Screen) text(p []byte) {
	if len(p) > 0 {
		s.seen = nothing
	}
	for len(p) > 0 && s.picture != nil && s.cleared {
		n := bytes.IndexAny(p, "\n\v\f")
		switch n {
		case -1:
			n = len(p)
		case 0:
			if s.scrolls() {
				s.end()
				continue
			}
			n = 1
		}
		s.drawText(p[:n])
		s.at += int64(n)
		p = p[n:]
	}
	s.drawText(p)
	s.at += int64(len(p))
}

// drawText draws p, which contains no control sequences, on the picture if there is one.
func (s *Screen) drawText(p []byte) {
	if s.picture == nil || len(p) == 0 {
		return
	}
	s.drawn = true
	var scrolled bool
	if s.draw(func(at *picture) {
		at.text(p)
		scrolled = at.Scrolled()
	}) && scrolled && s.cleared {
		s.stop() // wrapping scrolled the screen: too late for a picture from before
	}
}

// scrolls reports whether a newline would scroll a row off the screen.
func (s *Screen) scrolls() (scrolls bool) {
	s.draw(func(p *picture) {
		p.flush()
		bottom := int(s.state.buf().bottom)
		if bottom == 0 {
			bottom = s.rows
		}
		scrolls = p.CursorPosition().Y == bottom-1
	})
	return scrolls
}

// sequence follows a control sequence.
func (s *Screen) sequence(seq []byte) {
	if seq[len(seq)-1] == 'm' && s.picture == nil { // nearly always
		s.state.apply(seq)
		return
	}
	before := check{s.at, s.state}
	what := s.state.apply(seq)
	if s.beginsOrEnds(seq, what, before) || s.picture == nil {
		return
	}
	if what == advanced && s.cleared && s.scrolls() {
		s.end()
		return
	}
	if s.drawn && (what == homed || what == addressed) {
		s.full = true
	}
	scrolled := false
	if s.draw(func(p *picture) {
		p.sequence(seq, what, &s.state)
		scrolled = p.Scrolled()
	}) && scrolled && s.cleared && seq[len(seq)-1] == 'b' {
		s.stop() // repeating a character has wrapped, as in drawText
	}
}

// beginsOrEnds begins or ends following a program if that is what a sequence means, and
// reports whether it is. before is the check before the sequence.
func (s *Screen) beginsOrEnds(seq []byte, what effect, before check) bool {
	switch what {
	case entered:
		s.enter(before)
		return true
	case left, leftAlong:
		s.leave(before.state.alt, what, s.at+int64(len(seq)))
		return true
	case reset:
		s.stop()
		return true
	case homed, erased, erasedBelow:
		if s.picture == nil && (s.seen == homed && what != homed || s.seen == erased && what == homed) {
			s.startCleared()
			return true
		}
		if what != erasedBelow {
			s.seen, s.seenAt = what, before
		}
	case reversed:
		if s.picture == nil && s.seen == homed {
			s.startReversed()
			return true
		}
		s.seen = nothing
	case addressed:
		s.seen = nothing
	}
	return false
}

// enter begins the picture of the alternate screen, which the sequence after before has
// switched to.
func (s *Screen) enter(before check) {
	now := s.state
	s.state = before.state
	s.end()
	s.state = now
	s.start(before, false)
	s.show(func(p *picture) {
		s.recall(p)
		p.sync(&s.state)
		p.Write([]byte(eraseAll)) // the cursor stays where it was
	})
}

// startCleared begins the picture of the normal screen, which was cleared at seenAt.
func (s *Screen) startCleared() {
	s.start(s.seenAt, true)
	s.show(func(p *picture) {
		p.sync(&s.state)
		p.Write([]byte(eraseAll))
	})
}

// startReversed begins the picture of a pager that leaves the normal screen as it is and
// scrolls back.
func (s *Screen) startReversed() {
	s.start(s.seenAt, true)
	s.drawn, s.full = true, s.picture != nil
	s.show(func(p *picture) {
		s.recall(p)
		p.sync(&s.state)
		p.Write([]byte("\x1b[H\x1bM"))
	})
}

// start begins to follow a program, unless too many have begun within the last second: each
// start costs time and the memory of a screen (docs/facts.md, screen).
func (s *Screen) start(from check, cleared bool) {
	if now := time.Now(); now.Sub(s.second) > time.Second {
		s.second, s.starts, s.refused = now, 0, false
	}
	if s.starts++; s.starts <= maxStarts {
		s.draw(func(*picture) { s.picture = newPicture(s.emulators, s.cols, s.rows) })
	}
	if s.picture == nil {
		if !s.refused {
			s.failures++
		}
		s.refused = true
		return
	}
	s.from, s.cleared, s.drawn, s.full, s.seen = from, cleared, false, !cleared, nothing
}

// recall draws what was on the screen before the program, as far as History knows.
func (s *Screen) recall(p *picture) {
	if s.History == nil {
		return
	}
	output, before, ok := s.History(s.from.offset)
	if ok && !p.begin(output, before, s.along, int(s.from.offset-s.alongAt), time.Now().Add(recallTime)) {
		s.GiveUp()
	}
}

// show draws with sequences that are not the program's own, so scrolling doesn't count.
func (s *Screen) show(f func(*picture)) {
	if s.picture != nil {
		s.draw(func(p *picture) {
			f(p)
			p.Scrolled()
		})
	}
}

// end ends the picture of the normal screen and keeps it.
func (s *Screen) end() {
	if s.Full() {
		s.last = s.Picture()
		s.last.Text = nil
	}
	s.stop()
}

// leave ends the picture of the alternate screen at the given offset; alt is the mode that
// switched to that screen. Colors and modes stay as the program left them, and so does the
// cursor if the program takes it along.
func (s *Screen) leave(alt uint16, how effect, offset int64) {
	if s.picture == nil {
		return
	}
	was := s.from.state
	was.alt = alt
	s.last = Picture{From: s.from.offset, Before: s.from.state, To: offset, Cols: s.cols, Rows: s.rows}
	b := was.AppendFrom(nil, &s.from.state)
	was.alt = 1049 // the mode by which the screen is left
	if how == leftAlong {
		was.alt = 47
		s.draw(func(p *picture) {
			p.flush()
			s.along, s.alongAt = p.CursorPosition(), offset
			b = fmt.Appendf(b, "\x1b[%d;%dH", s.along.Y+1, s.along.X+1)
			if p.Pending() {
				b = append(b, ' ')
			}
		})
	}
	s.last.Prelude = s.state.AppendFrom(b, &was)
	s.stop()
}

// stop ends the picture without keeping it.
func (s *Screen) stop() {
	if s.picture == nil {
		return
	}
	p := s.picture
	s.picture, s.full = nil, false
	s.draw(func(*picture) { p.Close() })
}

// draw calls f with the picture, which may be nil. If the emulator panics, draw gives the
// program up and returns false.
func (s *Screen) draw(f func(*picture)) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked(v)
			s.GiveUp()
		}
	}()
	f(s.picture)
	return true
}
