package screen

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
)

const (
	// maxCells is how many cells a screen may have to be followed, for the memory that they
	// take (docs/facts.md, screen).
	maxCells = 1 << 17
	// maxRows is how many rows a screen may have to be followed, because every character
	// may scroll the whole screen.
	maxRows = 1 << 10
	// maxCluster is how long a run of characters beyond ASCII may be, in bytes, to be
	// written at once: otherwise any number of marks would go into one cell.
	maxCluster = 128
	// maxRepeats is how many repetitions the page accepts from one sequence. It ignores a
	// sequence that asks for more (output.js).
	maxRepeats = 1000
)

// eraseAll is ED 2 in other words: the emulator's own ED 2 doesn't use the current
// background.
const eraseAll = "\x1b[1J\x1b[J"

// A picture follows what a full-screen program draws. It translates the program's output to
// what an emulator understands, which is less than what browsers' terminals understand.
type picture struct {
	emulator
	cols, rows int
	held       []byte // the last character, which the next bytes may change
	synced     State  // the state that the emulator has
	saved      uv.Position
	last       int  // columns of the last character; 0 after a control character or sequence
	edge       bool // the cursor is beyond the last column, unknown to the emulator
	links      []string
}

// newPicture returns a picture of an empty screen, or nil if the screen is too large.
func newPicture(make func(cols, rows int) emulator, cols, rows int) *picture {
	if !follows(cols, rows) {
		return nil
	}
	return &picture{emulator: make(cols, rows), cols: cols, rows: rows, links: []string{""}}
}

// follows reports whether a screen of this size is followed.
func follows(cols, rows int) bool { return cols > 0 && rows > 0 && rows <= min(maxCells/cols, maxRows) }

// begin draws the output of the normal screen, beginning in the given state, and leaves the
// cursor where that output does. along is where the last program took the cursor along to
// the normal screen, and before is how many bytes before the output's end that was. begin
// returns false if the deadline passes first.
func (p *picture) begin(output []byte, state State, along uv.Position, before int, deadline time.Time) bool {
	p.sync(&state)
	for len(output) > 0 && state.within == 0 {
		if time.Now().After(deadline) {
			return false
		}
		start, end := next(output, true)
		if start > textStep {
			start, end = textStep, textStep
		}
		shown := state.alt == 0
		if shown {
			p.text(output[:start])
		}
		if end == 0 {
			break
		}
		seq := output[start:end]
		output = output[end:]
		if len(seq) == 0 {
			continue
		}
		what := state.apply(seq)
		switch {
		case what == reset:
			p.Write([]byte("\x1b[r\x1b[H\x1b[2J"))
		case shown && state.alt == 0:
			p.sequence(seq, what, &state)
		case what == leftAlong && len(output) == before:
			p.flush()
			p.place(along.X, along.Y, &state)
		}
	}
	p.flush()
	at := p.CursorPosition()
	fmt.Fprintf(p, "\x1b[r\x1b[%d;%dH", at.Y+1, at.X+1)
	p.saved, p.last = uv.Position{}, 0
	p.synced = State{pen: unknown}
	return true
}

// sequence does on the picture what a control sequence does on the terminal, whose state
// afterwards is now.
func (p *picture) sequence(seq []byte, what effect, now *State) {
	p.flush()
	seq = p.execute(seq)
	final := seq[len(seq)-1]
	switch {
	case what == savedCursor:
		p.saved = p.CursorPosition()
	case what == restored:
		p.place(p.saved.X, p.saved.Y, now)
	case what == homed && (final == 'h' || final == 'l'): // origin mode
		p.move(0, 0, now)
	default:
		p.act(seq, now)
	}
	p.last = 0
	p.sync(now)
}

// sync brings the emulator's state up to date.
func (p *picture) sync(now *State) {
	var b []byte
	if now.pen != p.synced.pen {
		b = now.pen.appendSGR(b, unknown)
		if now.pen.attrs&overline != 0 {
			b = append(b, "\x1b[6m"...) // see penOf
		}
	}
	if now.link != p.synced.link {
		b = fmt.Appendf(b, "\x1b]8;;%d\x1b\\", p.link(now.link))
	}
	(now.modes & followed).changed(p.synced.modes&followed, func(k int) {
		b = appendMode(b, int(known[k].number), known[k].private, (now.modes>>k&1 != 0) != initially(k))
	})
	p.synced = *now
	p.Write(b)
}

// execute does what control characters within a sequence say, and returns the sequence
// without them.
func (p *picture) execute(seq []byte) []byte {
	if seq[0] != esc || !bytes.ContainsAny(seq, "\b\t\n\v\f\r") || bytes.IndexByte([]byte("]PX^_"), seq[1]) >= 0 {
		return seq
	}
	only := func(controls bool) []byte {
		return bytes.Map(func(r rune) rune {
			if isC0(r) != controls {
				return -1
			}
			return r
		}, seq[1:])
	}
	p.draw(only(true))
	return append([]byte{esc}, only(false)...)
}

// act passes on a sequence that moves the cursor or erases.
func (p *picture) act(seq []byte, now *State) {
	switch {
	case len(seq) == 2 && (seq[0] == esc || seq[0] == c1):
		final := seq[1]
		if seq[0] == c1 {
			final -= 0x40
		}
		switch {
		case final == 'D' || final == 'M' && seq[0] == esc:
			p.settle()
			p.Write([]byte{esc, final})
		case final == 'E':
			p.settle()
			p.Write([]byte("\r\x1bD"))
		case final == 'H':
			p.Write([]byte{esc, final})
		}
	case len(seq) > 2 && (seq[0] == esc && seq[1] == '[' || seq[0] == c1 && seq[1] == 0x9b):
		var ps params
		ps.parse(seq[2:])
		switch {
		case ps.prefix == 0 && ps.inter == '!' && ps.final == 'p':
			at, pending := p.CursorPosition(), p.Pending()
			fmt.Fprintf(p, "\x1b[r\x1b[%d;%dH", at.Y+1, at.X+1)
			p.edge, p.saved = pending, uv.Position{}
		case ps.final == 'J' || ps.final == 'K':
			p.erase(&ps)
		case ps.prefix == 0 && ps.inter == 0 && !p.travel(&ps, now):
			p.control(&ps, now)
		}
	}
}

// erase passes on a sequence that erases within the screen or a row.
func (p *picture) erase(ps *params) {
	what := ps.value(0)
	pending := p.Pending()
	switch {
	case ps.prefix != 0 && ps.prefix != '?' || ps.inter != 0 || what > 2:
	case ps.final == 'J' && what == 2:
		p.Write([]byte(eraseAll))
	case pending && what == 0: // the cursor is beyond the last column
		if at := p.CursorPosition(); ps.final == 'J' && at.Y < p.rows-1 {
			fmt.Fprintf(p, "\x1b[%d;1H\x1b[J\x1b[%d;%dH", at.Y+2, at.Y+1, at.X+1)
			p.edge = true
		}
	default:
		fmt.Fprintf(p, "\x1b[%d%c", what, ps.final)
	}
}

// control passes on any other control sequence.
func (p *picture) control(ps *params, now *State) {
	n := ps.or(0, 1)
	if n > maxRepeats && strings.IndexByte("ILMSTZb", ps.final) >= 0 {
		return
	}
	switch ps.final {
	case 'r':
		bottom := ps.or(1, p.rows)
		if bottom > p.rows {
			bottom = p.rows
		}
		if bottom > n {
			fmt.Fprintf(p, "\x1b[%d;%dr", n, bottom)
		}
		return
	case 'g':
		n = ps.value(0)
	case 'I', 'Z':
		if p.Pending() {
			return
		}
		n = min(n, p.cols)
	case '@', 'P', 'X':
		p.settle()
		n = min(n, p.cols)
	case 'L', 'M':
		at := p.CursorPosition()
		top, bottom := p.margins(now)
		if p.settle(); at.Y < top || at.Y > bottom {
			return
		}
		fmt.Fprintf(p, "\x1b[%d%c\x1b[%d;1H", min(n, p.rows), ps.final, at.Y+1)
		return
	case 'T':
		if ps.n > 1 { // highlight mouse tracking
			return
		}
		n = min(n, p.rows)
		p.Write([]byte("\x1b[m")) // browsers' terminals ignore the background here
		p.synced.pen = unknown
	case 'S':
		n = min(n, p.rows)
	case 'b':
		p.repeat(n)
		return
	default:
		return
	}
	fmt.Fprintf(p, "\x1b[%d%c", n, ps.final)
}

// resize gives the picture another size, and returns false if that is too large. If rows
// must go, those below the cursor go first, then those at the top.
func (p *picture) resize(cols, rows int) bool {
	p.flush()
	if !follows(cols, rows) {
		return false
	}
	at := p.CursorPosition()
	if p.Pending() { // a cursor beyond the last column is in a column of a wider screen
		at.X++
	}
	if at.Y >= rows {
		fmt.Fprintf(p, "\x1b[r\x1b[%dS", at.Y-rows+1)
	}
	p.Resize(cols, rows)
	fmt.Fprintf(p, "\x1b[%d;%dH", min(at.Y, rows-1)+1, min(at.X, cols-1)+1)
	p.cols, p.rows, p.edge = cols, rows, false
	return true
}
