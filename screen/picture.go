package screen

import (
	"fmt"
	"strconv"

	uv "github.com/charmbracelet/ultraviolet"
)

const (
	// maxCells is how large a screen is followed. One cell takes about 130 bytes.
	maxCells = 1 << 17
	// maxCluster is how long a run of characters beyond ASCII may be, in bytes,
	// that is written at once: any number of marks would go into one cell.
	maxCluster = 256
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
func follows(cols, rows int) bool { return cols > 0 && rows > 0 && rows <= maxCells/cols }

// begin moves the cursor to where the output of the normal screen leaves it, from
// the given state on.
func (p *picture) begin(output []byte, state State) {
	p.tell(&state)
	for len(output) > 0 && state.within == 0 {
		start, end := next(output, true)
		shown := state.alt == 0
		if shown {
			p.text(output[:start])
		}
		if end <= start {
			break
		}
		what := state.apply(output[start:end])
		switch {
		case what == reset:
			p.Write([]byte("\x1b[r\x1b[H\x1b[2J"))
		case shown && state.alt == 0:
			p.sequence(output[start:end], what, &state)
		}
		output = output[end:]
	}
	p.flush()
	at := p.CursorPosition()
	fmt.Fprintf(p, "\x1b[?6l\x1b[r\x1b[H\x1b7\x1b[%d;%dH", at.Y+1, at.X+1)
	p.saved = uv.Position{}
	p.told = State{pen: unknown}
}

// sequence does on the picture what a control sequence does there; now is the
// terminal's state behind it.
func (p *picture) sequence(seq []byte, what effect, now *State) {
	p.flush()
	switch what {
	case savedCursor:
		p.saved = p.CursorPosition()
		p.Write([]byte("\x1b7"))
	case restored:
		p.edge = false
		p.Write([]byte("\r\x1b8")) // or else it would be pending as before
		p.told.pen = unknown
	default:
		p.act(seq)
	}
	p.tell(now)
	if final := seq[len(seq)-1]; what == homed && (final == 'h' || final == 'l') {
		p.Write([]byte("\x1b[H")) // by the origin mode, which has changed only now
	}
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
	if set, was := now.sets[now.shift], p.told.sets[p.told.shift]; set != was {
		if set == 0 {
			set = 'B'
		}
		b = append(b, esc, '(', set)
	}
	for _, number := range [...]uint16{6, 7} {
		if bit := maskOf(number); (now.modes^p.told.modes)&bit != 0 {
			b = appendMode(b, int(number), true, (now.modes&bit != 0) != (number == 7))
		}
	}
	p.told = *now
	p.Write(b)
}

// link returns the number of a link.
func (p *picture) link(link string) int {
	for i, l := range p.links {
		if l == link {
			return i
		}
	}
	if len(p.links) == maxLinks {
		return 0
	}
	p.links = append(p.links, link)
	return len(p.links) - 1
}

// act passes on a sequence that moves the cursor or erases.
func (p *picture) act(seq []byte) {
	switch {
	case len(seq) == 2 && (seq[0] == esc || seq[0] == c1):
		final := seq[1]
		if seq[0] == c1 {
			final -= 0x40
		}
		p.edge = p.edge && final == 'H'
		switch {
		case final == 'D' || final == 'H' || final == 'M' && seq[0] == esc:
			p.Write([]byte{esc, final})
		case final == 'E':
			p.Write([]byte("\r\x1bD"))
		}
	case len(seq) > 2 && (seq[0] == esc && seq[1] == '[' || seq[0] == c1 && seq[1] == 0x9b):
		var ps params
		ps.parse(seq[2:])
		p.control(&ps)
	}
}

// control passes on a control sequence.
func (p *picture) control(ps *params) {
	least, most := 1, maxParam
	switch ps.final {
	case 'J', 'K':
		if ps.prefix != 0 && ps.prefix != '?' || ps.value(0) > 2 {
			return
		}
		if ps.final == 'K' && ps.value(0) == 0 && p.Pending() {
			return // the cursor is behind the last column
		}
		ps.prefix, least = 0, 0
		if ps.final == 'J' && ps.value(0) == 2 {
			p.Write([]byte(eraseAll))
			return
		}
	case 'b':
		most = p.cols * p.rows
	case 'I', 'Z', '@', 'P', 'X', 'a', 'C', 'D':
		most = p.cols
	case 'r', 'g':
		least = 0
	case 'L', 'M', 'S', 'T', 'A', 'B', 'E', 'F', 'e':
		most = p.rows
		if ps.final == 'T' && ps.n > 1 { // highlight mouse tracking
			return
		}
	case 'G', 'H', 'd', 'f', '`':
	default:
		return
	}
	if ps.prefix != 0 || ps.inter != 0 {
		return
	}
	p.edge = false
	b := []byte("\x1b[")
	for i := range min(ps.n, 2) {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(b, int64(min(max(ps.value(i), least), most)), 10)
	}
	if ps.final == 'f' {
		ps.final = 'H'
	}
	p.Write(append(b, ps.final))
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
	p.Write([]byte("\x1b[?6l"))
	p.told.modes &^= originMode
	if at.Y >= rows {
		fmt.Fprintf(p, "\x1b[r\x1b[%dS", at.Y-rows+1)
	}
	p.Resize(cols, rows)
	fmt.Fprintf(p, "\x1b[%d;%dH", min(at.Y, rows-1)+1, min(at.X, cols-1)+1)
	p.cols, p.rows, p.edge = cols, rows, false
	return true
}
