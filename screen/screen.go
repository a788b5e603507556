// Package screen follows what a terminal shows, so that viewers that join late see what the
// others see.
//
// A [State] is what a terminal remembers besides its characters: colors and modes. It is
// cheap to follow, and enough to continue at the start of a line. While a program fills the
// screen, an emulator follows it, and late viewers get a [Picture].
package screen

import (
	"slices"
	"sort"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
)

// checkBytes is how many bytes apart states are recorded. To get the state between two of
// them, a caller scans the output from the first one on.
const checkBytes = 64 << 10

const (
	// maxStarts is how many programs may begin within a second, more than anyone could see.
	maxStarts = 10
	// recallTime is how long drawing the output before a program may take. It is many times
	// what the lines of an ordinary screen need, because other processes may be using the
	// processor (docs/facts.md, screen).
	recallTime = time.Second
	// textStep is how many bytes of text are drawn between two looks at the clock. Each
	// byte may scroll the whole screen (docs/facts.md, screen).
	textStep = 16
)

// A Screen follows a terminal's output from its first byte on. Its methods must not be
// called concurrently. Close ends what it starts.
type Screen struct {
	// History, if set, returns the output that ends at an offset, and the state at the
	// first byte of that output; ok is false if there is none. Write calls History when a
	// program begins whose screen depends on what was there before: a pager, or the
	// alternate screen, whose cursor begins where that of the normal screen is.
	History func(end int64) (output []byte, before State, ok bool)
	// Panicked, if set, is called with the value of each panic of the emulator, while the stack
	// is still that of the panic. It may be called concurrently with other methods, but must
	// not be set after the first of them.
	Panicked func(v any)

	cols, rows int
	state      State // at offset at, which is outside of control sequences
	at         int64
	tail       []byte // the output after at: an incomplete sequence
	checks     []check

	emulators func(cols, rows int) emulator
	picture   *picture    // nil while no program is followed
	from      check       // where the picture, or the previous one, begins
	cleared   bool        // the picture is of the normal screen, which was cleared
	drawn     bool        // something was drawn since the picture began
	full      bool        // a program fills the screen
	last      Picture     // the picture of the last program that has ended
	along     uv.Position // the cursor that a program took along to the normal screen
	alongAt   int64       // the offset at which it did so
	failures  int
	starts    int  // pictures begun since second
	refused   bool // a start was refused since second, and is counted in failures
	second    time.Time

	// The last effect if it was homed or erased with no text after it, and the check before
	// that sequence.
	seen   effect
	seenAt check
}

// A check is the state at an offset.
type check struct {
	offset int64
	state  State
}

// A Picture is a short form of a full-screen program's output from offset From to To.
type Picture struct {
	From, To   int64
	Before     State // at From
	Cols, Rows int
	// Prelude has the same effect as the output from From to To, on a terminal that was
	// shown all the output before From.
	Prelude []byte
	// Text holds the screen's rows as lines; it is nil if the program has ended.
	Text []byte
}

// New returns a Screen whose size is not known yet; see [Screen.Resize].
func New() *Screen {
	s := &Screen{checks: []check{{}}}
	s.emulators = func(cols, rows int) emulator { return newVT(cols, rows, s.panicked) }
	return s
}

// panicked reports the value of a panic.
func (s *Screen) panicked(v any) {
	if s.Panicked != nil {
		s.Panicked(v)
	}
}

// Write follows all of p. It never fails.
func (s *Screen) Write(p []byte) (int, error) { return s.WriteUntil(p, time.Time{}), nil }

// WriteUntil follows p until the deadline, or all of p if the deadline is zero, and returns
// the number of bytes followed, at least one. The caller must pass the rest again; Offset
// is before it. WriteUntil may overrun the deadline by what one sequence takes on the
// largest screen (docs/facts.md, screen), or by recallTime where a program begins.
func (s *Screen) WriteUntil(p []byte, deadline time.Time) int {
	n, old := len(p), len(s.tail)
	if old > 0 {
		p = append(s.tail, p...)
		s.tail = nil
	}
	all := len(p)
	rare := hasRare(p)
	for len(p) > 0 {
		limited := s.picture != nil && !deadline.IsZero()
		if limited && all-len(p) > old && time.Now().After(deadline) {
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
		if limited && start > textStep {
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

// Resize sets the terminal's size from here on.
func (s *Screen) Resize(cols, rows int) {
	if cols == s.cols && rows == s.rows {
		return
	}
	s.cols, s.rows = cols, rows
	s.state.Resize(rows)
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

// Skip reports that the output up to offset was missed.
func (s *Screen) Skip(offset int64) {
	if s.picture != nil {
		s.GiveUp()
	}
	s.at, s.tail, s.seen, s.state.within = offset, nil, nothing, 0
	s.check()
}

// GiveUp stops following the current program, which costs time, until the next program
// fills the screen.
func (s *Screen) GiveUp() {
	if s.picture != nil {
		s.failures++
		s.stop()
	}
}

// Failures returns how many programs were not followed to their end because the screen was
// too large, or the emulator panicked or was too slow. If too many programs begin within a
// second, they count as one.
func (s *Screen) Failures() int { return s.failures }

// Offset returns the offset up to which the output was followed.
func (s *Screen) Offset() int64 { return s.at + int64(len(s.tail)) }

// StateAt returns the last recorded state at or before offset, and the offset of that
// state.
func (s *Screen) StateAt(offset int64) (State, int64) {
	i := sort.Search(len(s.checks), func(i int) bool { return s.checks[i].offset > offset })
	c := s.checks[max(i-1, 0)]
	return c.state, c.offset
}

// Forget drops the recorded states that are only of use before offset.
func (s *Screen) Forget(offset int64) {
	for len(s.checks) > 1 && s.checks[1].offset <= offset {
		s.checks = s.checks[1:]
	}
}

// Since returns the offset at which the followed program began; ok is false if no program
// is followed.
func (s *Screen) Since() (offset int64, ok bool) { return s.from.offset, s.picture != nil }

// Full reports whether a program fills the screen.
func (s *Screen) Full() bool { return s.picture != nil && s.full }

// Picture returns the picture of the program that fills the screen, or of the last program
// that did. Its To is 0 if there was none.
func (s *Screen) Picture() Picture {
	if !s.Full() {
		return s.last
	}
	now := Picture{From: s.from.offset, Before: s.from.state, To: s.at - int64(len(s.picture.held)), Cols: s.cols, Rows: s.rows}
	if !s.draw(func(p *picture) {
		now.Prelude = p.appendDump(nil, &s.from.state, &s.state)
		now.Text = p.appendText([]byte{}, &s.state)
	}) {
		return s.last
	}
	return now
}

// Close ends what the Screen has started: an emulator's goroutine.
func (s *Screen) Close() { s.stop() }

// check records the state at the current offset.
func (s *Screen) check() {
	if last := &s.checks[len(s.checks)-1]; last.offset == s.at {
		last.state = s.state
		return
	}
	s.checks = append(s.checks, check{s.at, s.state})
}
