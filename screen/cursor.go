package screen

import "fmt"

// travel moves the cursor if that is what a sequence does, and reports whether it is. In
// origin mode, browsers' terminals also count the top margin in movements relative to the
// cursor.
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

// margins returns the first and the last row of the scrolling region.
func (p *picture) margins(now *State) (top, bottom int) {
	b := now.buf()
	if bottom = min(int(b.bottom), p.rows); bottom == 0 {
		bottom = p.rows
	}
	return min(max(int(b.top), 1), bottom) - 1, bottom - 1
}

// move moves the cursor; in origin mode, y counts from the top margin.
func (p *picture) move(x, y int, now *State) {
	if now.modes&originMode != 0 {
		top, _ := p.margins(now)
		y += top
	}
	p.place(x, y, now)
}

// place moves the cursor; in origin mode, the cursor stays within the margins.
func (p *picture) place(x, y int, now *State) {
	top, bottom := 0, p.rows-1
	if now.modes&originMode != 0 {
		top, bottom = p.margins(now)
	}
	fmt.Fprintf(p, "\x1b[%d;%dH", min(max(y, top), bottom)+1, min(max(x, 0), p.cols-1)+1)
	p.edge = false
}

// settle moves a cursor that is beyond the last column into that column.
func (p *picture) settle() {
	at := p.CursorPosition()
	fmt.Fprintf(p, "\x1b[%d;%dH", at.Y+1, at.X+1)
	p.edge = false
}
