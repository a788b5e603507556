package screen

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
)

const (
	// maxCells is how large a screen is followed. One cell takes about 130 bytes.
	maxCells = 1 << 17
	// maxRows is how many rows it may have: a thousand characters may scroll each.
	maxRows = 1 << 10
	// maxCluster is how long a run of characters beyond ASCII may be, in bytes,
	// that is written at once: any number of marks would go into one cell.
	maxCluster = 256
	// maxRepeats is how often at most the page does what a sequence says to do
	// several times: beyond that it does nothing (output.js).
	maxRepeats = 1000
	// maxLinks is how many hyperlinks are told apart on one screen.
	maxLinks = 1 << 12
)

// eraseAll is ED 2, which the emulator does without the background in force.
const eraseAll = "\x1b[1J\x1b[J"

// A picture follows what a full-screen program draws: it translates the program's
// output to what an emulator knows, which is less than what browsers' terminals
// know.
type picture struct {
	emulator
	cols, rows int
	held       []byte // the last character, which the next one may change
	told       State  // the emulator
	saved      uv.Position
	last       int  // columns of the character before, unless a control is between
	edge       bool // the cursor is behind the last column, and the emulator does not know
	links      []string
}

// newPicture returns a picture of an empty screen, or nil if it is too large.
func newPicture(make func(cols, rows int) emulator, cols, rows int) *picture {
	if !follows(cols, rows) {
		return nil
	}
	return &picture{emulator: make(cols, rows), cols: cols, rows: rows, links: []string{""}}
}

// follows tells whether a screen of a size is followed.
func follows(cols, rows int) bool { return cols > 0 && rows > 0 && rows <= min(maxCells/cols, maxRows) }

// begin moves the cursor to where the output of the normal screen leaves it, from
// the given state on. The last program that took its cursor along to the normal screen
// did so so many bytes before the end. It returns false if the deadline comes first.
func (p *picture) begin(output []byte, state State, along uv.Position, before int, deadline time.Time) bool {
	p.tell(&state)
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
	p.told = State{pen: unknown}
	return true
}

// sequence does on the picture what a control sequence does there; now is the
// terminal's state behind it.
func (p *picture) sequence(seq []byte, what effect, now *State) {
	p.flush()
	seq = p.execute(seq)
	final := seq[len(seq)-1]
	switch {
	case what == savedCursor:
		p.saved = p.CursorPosition()
	case what == restored:
		p.place(p.saved.X, p.saved.Y, now)
	case what == homed && (final == 'h' || final == 'l'): // the origin mode
		p.move(0, 0, now)
	default:
		p.act(seq, now)
	}
	p.last = 0
	p.tell(now)
}

// tell brings the emulator's state up to date.
func (p *picture) tell(now *State) {
	var b []byte
	if now.pen != p.told.pen {
		b = now.pen.appendSGR(b, unknown)
		if now.pen.attrs&overline != 0 {
			b = append(b, "\x1b[6m"...) // see penOf
		}
	}
	if now.link != p.told.link {
		b = fmt.Appendf(b, "\x1b]8;;%d\x1b\\", p.link(now.link))
	}
	(now.modes & followed).changed(p.told.modes&followed, func(k int) {
		b = appendMode(b, int(known[k].number), known[k].private, (now.modes>>k&1 != 0) != initially(k))
	})
	p.told = *now
	p.Write(b)
}

// link returns the number of a link; 0 if there are too many on the screen.
func (p *picture) link(link string) int {
	if i := slices.Index(p.links, link); i >= 0 {
		return i
	}
	if len(p.links) < maxLinks {
		p.links = append(p.links, link)
		return len(p.links) - 1
	}
	free := slices.Index(p.links[1:], "") + 1
	if free == 0 {
		free = p.dropLinks()
	}
	if free > 0 {
		p.links[free] = link
	}
	return free
}

// dropLinks makes those empty that are not on the screen, and returns the last one.
func (p *picture) dropLinks() (free int) {
	var used [maxLinks]bool
	for y := range p.rows {
		for x := range p.cols {
			used[linkNumber(p.at(x, y))] = true
		}
	}
	for i := 1; i < maxLinks; i++ {
		if !used[i] {
			p.links[i], free = "", i
		}
	}
	return free
}

// execute does what control characters within a sequence say, and returns it without
// them.
func (p *picture) execute(seq []byte) []byte {
	if seq[0] != esc || bytes.IndexAny(seq, "\b\t\n\v\f\r") < 0 || bytes.IndexByte([]byte("]PX^_"), seq[1]) >= 0 {
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
	case pending && what == 0: // the cursor is behind the last column
		if at := p.CursorPosition(); ps.final == 'J' && at.Y < p.rows-1 {
			fmt.Fprintf(p, "\x1b[%d;1H\x1b[J\x1b[%d;%dH", at.Y+2, at.Y+1, at.X+1)
			p.edge = true
		}
	default:
		fmt.Fprintf(p, "\x1b[%d%c", what, ps.final)
	}
}

// travel moves the cursor, if that is what a sequence does. Browsers' terminals
// count the top margin, in the origin mode, from where the cursor is as well.
func (p *picture) travel(ps *params, now *State) bool {
	at, n := p.CursorPosition(), ps.or(0, 1)
	top, bottom := p.margins(now)
	switch ps.final {
	case 'A', 'F':
		if at.Y >= top {
			n = min(n, at.Y-top)
		}
		p.move(at.X, at.Y-n, now)
	case 'B', 'E':
		if at.Y <= bottom {
			n = min(n, bottom-at.Y)
		}
		p.move(at.X, at.Y+n, now)
	case 'C', 'a':
		p.move(at.X+n, at.Y, now)
	case 'D':
		p.move(at.X-n, at.Y, now)
	case 'e':
		p.move(at.X, at.Y+n, now)
	case 'G', '`':
		p.move(n-1, at.Y, now)
	case 'd':
		p.move(at.X, n-1, now)
	case 'H', 'f':
		p.move(ps.or(1, 1)-1, n-1, now)
	default:
		return false
	}
	if ps.final == 'E' || ps.final == 'F' {
		p.Write([]byte("\r"))
	}
	return true
}

// margins returns the first row that scrolls, and the last one.
func (p *picture) margins(now *State) (top, bottom int) {
	b := now.buf()
	if bottom = min(int(b.bottom), p.rows); bottom == 0 {
		bottom = p.rows
	}
	return min(max(int(b.top), 1), bottom) - 1, bottom - 1
}

// move moves the cursor, in the origin mode from the top margin on.
func (p *picture) move(x, y int, now *State) {
	if now.modes&originMode != 0 {
		top, _ := p.margins(now)
		y += top
	}
	p.place(x, y, now)
}

// place moves the cursor, in the origin mode to within the margins.
func (p *picture) place(x, y int, now *State) {
	top, bottom := 0, p.rows-1
	if now.modes&originMode != 0 {
		top, bottom = p.margins(now)
	}
	fmt.Fprintf(p, "\x1b[%d;%dH", min(max(y, top), bottom)+1, min(max(x, 0), p.cols-1)+1)
	p.edge = false
}

// settle moves a cursor that is behind the last column into it.
func (p *picture) settle() {
	at := p.CursorPosition()
	fmt.Fprintf(p, "\x1b[%d;%dH", at.Y+1, at.X+1)
	p.edge = false
}

// control passes on another control sequence.
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
		p.Write([]byte("\x1b[m")) // browsers' terminals do this one without the background
		p.told.pen = unknown
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

// resize gives the picture another size, or tells that it is too large. What a
// lower screen has no room for is taken from below the cursor, then from above.
func (p *picture) resize(cols, rows int) bool {
	p.flush()
	if !follows(cols, rows) {
		return false
	}
	at := p.CursorPosition()
	if p.Pending() { // a cursor behind the last column is in one of a wider screen
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
