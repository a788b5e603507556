// Package screen follows what a terminal shows, so that those who join late see
// what the others see.
//
// A [State] is what a terminal remembers beside its characters: colors and modes.
// It is cheap to follow, and enough to go on at the start of a line. While a
// program fills the screen, an emulator follows it, and a [Picture] is what late
// joiners get.
package screen

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
)

// checkBytes is how far apart states are noted, in bytes: whoever wants one
// between two of them scans the output from the first one on.
const checkBytes = 64 << 10

const (
	// maxStarts is how many programs may begin within a second. Nobody sees so many.
	maxStarts = 10
	// recallTime is for how long the output before a program is drawn: some 60 ms for
	// the lines of 200x50, many times that where others want the processor too.
	recallTime = time.Second
	// textStep is how many bytes are drawn before the time is looked at: each may
	// scroll a screen, which takes 2 ms for the largest.
	textStep = 16
)

// A Screen follows a terminal's output from its first byte on. Its methods may not
// be called concurrently. Close ends what it starts.
type Screen struct {
	// History, if set, returns output that ends at an offset, and the state at its
	// first byte. Write calls it when a program begins whose screen depends on that
	// of before: that of a pager, or the alternate one, whose cursor begins where
	// that of the normal one is.
	History func(end int64) (output []byte, before State, ok bool)

	cols, rows int
	state      State // at offset at, which is outside of control sequences
	at         int64
	tail       []byte // of the output, behind at
	checks     []check

	emulators func(cols, rows int) emulator
	picture   *picture    // nil while nothing is followed
	from      check       // where the picture, or the last one, begins
	cleared   bool        // it is of the normal screen, which was cleared
	drawn     bool        // something was drawn on that since
	full      bool        // a program fills the screen
	last      Picture     // the one that has ended
	along     uv.Position // the cursor, which a program took along to the normal screen
	alongAt   int64       // where it did so
	failures  int
	starts    int // of pictures, since second
	refused   bool
	second    time.Time

	// The last of homed and erased, with no text behind it, and where it was.
	seen   effect
	seenAt check
}

// A check is the state at an offset.
type check struct {
	offset int64
	state  State
}

// A Picture is a full-screen program's output, from offset From to To, in short.
type Picture struct {
	From, To   int64
	Before     State // at From
	Cols, Rows int
	// Prelude does to a terminal that was shown all output before From what the
	// output from there to To would have done.
	Prelude []byte
	// Text is the screen's rows as lines; nil when the program has ended.
	Text []byte
}

// New returns a Screen of a size that is yet to be told.
func New() *Screen {
	return &Screen{checks: []check{{}}, emulators: newVT}
}

// Write follows all of p. It never fails.
func (s *Screen) Write(p []byte) (int, error) { return s.WriteUntil(p, time.Time{}), nil }

// WriteUntil follows p until a time has come, or all of it if that is zero, and
// returns how many bytes that were: one at least. The rest is to be given again, and
// Offset is before it. After the deadline it takes as long as one sequence may: some
// 30 ms on the largest screen, but recallTime where a program begins.
func (s *Screen) WriteUntil(p []byte, deadline time.Time) int {
	n, old := len(p), len(s.tail)
	if old > 0 {
		p = append(s.tail, p...)
		s.tail = nil
	}
	all := len(p)
	rare := hasRare(p)
	for len(p) > 0 {
		hurry := s.picture != nil && !deadline.IsZero()
		if hurry && all-len(p) > old && time.Now().After(deadline) {
			n -= len(p)
			break
		}
		if s.state.within != 0 {
			n, _ := s.state.skip(p)
			s.at += int64(n)
			p = p[n:]
			continue
		}
		start, end := next(p, rare)
		if hurry && start > textStep {
			start, end = textStep, textStep
		}
		s.text(p[:start])
		if end == 0 && s.state.tooLong(p[start:]) {
			end = len(p)
		} else if end == 0 {
			s.tail = slices.Clone(p[start:])
			break
		} else if start < end {
			s.sequence(p[start:end])
		}
		s.at += int64(end - start)
		p = p[end:]
	}
	if s.at-s.checks[len(s.checks)-1].offset >= checkBytes {
		s.check()
	}
	return n
}

// Resize tells the terminal's size from here on.
func (s *Screen) Resize(cols, rows int) {
	if cols == s.cols && rows == s.rows {
		return
	}
	s.cols, s.rows = cols, rows
	s.state.resize(rows)
	s.check()
	if s.picture == nil {
		return
	}
	fits := false
	if s.draw(func(p *picture) { fits = p.resize(cols, rows) }) && !fits {
		s.GiveUp()
	} else if s.cleared { // what becomes of the normal screen depends on the lines above it
		s.end()
	}
}

// Skip tells that the output up to offset was missed.
func (s *Screen) Skip(offset int64) {
	if s.picture != nil {
		s.GiveUp()
	}
	s.at, s.tail, s.seen, s.state.within = offset, nil, nothing, 0
	s.check()
}

// GiveUp ends what costs time, until the next program fills the screen.
func (s *Screen) GiveUp() {
	if s.picture != nil {
		s.failures++
		s.stop()
	}
}

// Failures returns how many programs were not followed to their end: the screen was too
// large, the emulator panicked or was too slow. Where many begin it counts one a second.
func (s *Screen) Failures() int { return s.failures }

// Offset returns the offset up to which output was followed.
func (s *Screen) Offset() int64 { return s.at + int64(len(s.tail)) }

// StateAt returns the last state that is noted at offset or before it, and where
// that is.
func (s *Screen) StateAt(offset int64) (State, int64) {
	i := sort.Search(len(s.checks), func(i int) bool { return s.checks[i].offset > offset })
	c := s.checks[max(i-1, 0)]
	return c.state, c.offset
}

// Forget drops states that are only of use before offset.
func (s *Screen) Forget(offset int64) {
	for len(s.checks) > 1 && s.checks[1].offset <= offset {
		s.checks = s.checks[1:]
	}
}

// Since returns where the program began that is followed now.
func (s *Screen) Since() (offset int64, ok bool) { return s.from.offset, s.picture != nil }

// Full tells whether a program fills the screen.
func (s *Screen) Full() bool { return s.picture != nil && s.full }

// Picture returns the picture of the program that fills the screen, or of the last
// one that did. Its To is 0 if there is none.
func (s *Screen) Picture() Picture {
	if !s.Full() {
		return s.last
	}
	is := Picture{From: s.from.offset, Before: s.from.state, To: s.at - int64(len(s.picture.held)), Cols: s.cols, Rows: s.rows}
	if !s.draw(func(p *picture) {
		is.Prelude = p.appendDump(nil, &s.from.state, &s.state)
		is.Text = p.appendText([]byte{}, &s.state)
	}) {
		return s.last
	}
	return is
}

// Close gives back what is used.
func (s *Screen) Close() { s.stop() }

func (s *Screen) check() {
	if last := &s.checks[len(s.checks)-1]; last.offset == s.at {
		last.state = s.state
		return
	}
	s.checks = append(s.checks, check{s.at, s.state})
}

// text follows p, which has no control sequences.
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
		s.stop() // by wrapping: too late for a picture of what it was before
	}
}

// scrolls tells whether a newline would move rows out of the screen.
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
	switch what {
	case entered:
		now := s.state
		s.state = before.state
		s.end()
		s.state = now
		s.start(before, false)
		s.show(func(p *picture) {
			s.recall(p)
			p.tell(&s.state)
			p.Write([]byte(eraseAll)) // the cursor stays where it was
		})
		return
	case left, leftAlong:
		s.leave(before.state.alt, what, s.at+int64(len(seq)))
		return
	case reset:
		s.stop()
		return
	case homed, erased, erasedBelow:
		if s.picture == nil && (s.seen == homed && what != homed || s.seen == erased && what == homed) {
			s.start(s.seenAt, true)
			s.show(func(p *picture) {
				p.tell(&s.state)
				p.Write([]byte(eraseAll))
			})
			return
		}
		if what != erasedBelow {
			s.seen, s.seenAt = what, before
		}
	case reversed:
		// A pager that leaves the screen as it is, scrolling back.
		if s.picture == nil && s.seen == homed {
			s.start(s.seenAt, true)
			s.drawn, s.full = true, s.picture != nil
			s.show(func(p *picture) {
				s.recall(p)
				p.tell(&s.state)
				p.Write([]byte("\x1b[H\x1bM"))
			})
			return
		}
		s.seen = nothing
	case addressed:
		s.seen = nothing
	}
	if s.picture == nil {
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
		s.stop() // as by wrapping
	}
}

// start begins to follow a program, unless too many have begun of late: each costs
// as much as a thousand characters, and the memory of a screen.
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

// recall draws what was on the screen before the program, as far as that is known.
func (s *Screen) recall(p *picture) {
	if s.History == nil {
		return
	}
	output, before, ok := s.History(s.from.offset)
	if ok && !p.begin(output, before, s.along, int(s.from.offset-s.alongAt), time.Now().Add(recallTime)) {
		s.GiveUp()
	}
}

// show draws with sequences that are not the program's.
func (s *Screen) show(f func(*picture)) {
	if s.picture != nil {
		s.draw(func(p *picture) {
			f(p)
			p.Scrolled()
		})
	}
}

// end ends the picture of the normal screen, and keeps it.
func (s *Screen) end() {
	if s.Full() {
		s.last = s.Picture()
		s.last.Text = nil
	}
	s.stop()
}

// leave ends the picture of the alternate screen, that the given mode switched to,
// at an offset. What is left of it are colors and modes, and the cursor if that is
// taken along.
func (s *Screen) leave(alt uint16, how effect, offset int64) {
	if s.picture == nil {
		return
	}
	was := s.from.state
	was.alt = alt
	s.last = Picture{From: s.from.offset, Before: s.from.state, To: offset, Cols: s.cols, Rows: s.rows}
	b := was.appendFrom(nil, &s.from.state)
	was.alt = 1049 // by which it is left
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
	s.last.Prelude = s.state.appendFrom(b, &was)
	s.stop()
}

// stop ends the picture.
func (s *Screen) stop() {
	if s.picture == nil {
		return
	}
	p := s.picture
	s.picture, s.full = nil, false
	s.draw(func(*picture) { p.Close() })
}

// draw does something with the picture, if there is one. If the emulator panics it is
// given up, and draw returns false.
func (s *Screen) draw(f func(*picture)) (ok bool) {
	defer func() {
		if recover() != nil {
			s.GiveUp()
		}
	}()
	f(s.picture)
	return true
}
