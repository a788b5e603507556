package screen

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
)

// appendDump appends the sequences that make a terminal in the state was show the picture
// and leave it in the state now.
func (p *picture) appendDump(b []byte, was, now *State) []byte {
	// Without wrapping, the last column can be written like any other.
	at := State{alt: now.alt, title: was.title, cursor: was.cursor, modes: maskOf(7)}
	b = at.AppendFrom(b, was)
	b = append(b, "\x1b[H\x1b[2J"...)
	for y := range p.rows {
		b = p.appendRow(b, y, &at)
	}

	next := at
	saved := now.buf().saved
	next.pen, next.sets, next.shift, next.link = saved.pen, saved.sets, saved.shift, ""
	if saved.link {
		next.link = ";x:"
	}
	b = at.become(b, next)
	b = fmt.Appendf(b, "\x1b[%d;%dH\x1b7", p.saved.Y+1, p.saved.X+1)

	// The pen, the link and the character set come last, because the cell at the cursor may
	// have to be drawn once more.
	next = *now
	next.pen, next.sets, next.shift, next.link = pen{}, [4]byte{}, 0, ""
	b = at.become(b, next)
	cursor := p.CursorPosition()
	x, y := cursor.X, cursor.Y
	if now.modes&originMode != 0 && now.buf().top > 0 {
		y = max(y-int(now.buf().top)+1, 0)
	}
	pending := p.Pending()
	for pending && x > 0 && p.at(x, cursor.Y).Width == 0 {
		x--
	}
	b = fmt.Appendf(b, "\x1b[%d;%dH", y+1, x+1)
	if c := p.at(x, cursor.Y); pending {
		next.pen, next.link = penOf(&c.Style), p.linkOf(c)
		shown, _ := stoodFor(c.Content)
		b = append(at.become(b, next), cmp.Or(shown, " ")...)
	}
	b = at.become(b, *now)
	if pending { // so that the next character doesn't join the last one
		b = appendMode(b, 7, true, now.modes&maskOf(7) == 0)
	}
	return b
}

// become sets s to next, and appends the sequences that do the same to a terminal.
func (s *State) become(b []byte, next State) []byte {
	was := *s
	*s = next
	return s.AppendFrom(b, &was)
}

// appendRow appends the sequences that draw row y on an empty screen.
func (p *picture) appendRow(b []byte, y int, at *State) []byte {
	here := -1 // the cursor's column in row y, or -1
	for x := 0; x < p.cols; {
		c := p.at(x, y)
		width := max(c.Width, 1)
		style, link := penOf(&c.Style), p.linkOf(c)
		if c.Width == 0 || (c.Content == "" || c.Content == " ") && style == (pen{}) && link == "" {
			x += width
			continue
		}
		shown, stood := stoodFor(c.Content)
		if r, _ := utf8.DecodeRuneInString(shown); stood && joins(r) {
			here = -1 // otherwise it would join the cell before
		}
		switch {
		case here < 0:
			b = fmt.Appendf(b, "\x1b[%d;%dH", y+1, x+1)
		case here < x:
			b = fmt.Appendf(b, "\x1b[%dC", x-here)
		}
		b = style.appendSGR(b, at.pen)
		if link != at.link {
			b = appendLink(b, link)
		}
		at.pen, at.link = style, link
		b = append(b, cmp.Or(shown, " ")...)
		x += width
		if here = x; stood { // its width may differ in other terminals
			here = -1
		}
	}
	return b
}

// appendText appends the picture's rows as lines, without trailing blanks and trailing
// empty rows, and including the last character, which may not be drawn yet.
func (p *picture) appendText(b []byte, now *State) []byte {
	held := p.translate(valid(p.held))
	at, width := p.CursorPosition(), 0
	if r, _ := utf8.DecodeRune(held); len(held) > 0 {
		width = columns(r)
	}
	_, bottom := p.margins(now)
	wraps := width > 0 && now.modes&maskOf(7) == 0 && (p.Pending() || at.X+width > p.cols)
	lines := make([][]byte, 0, p.rows+1)
	for y := range p.rows {
		var line []byte
		for x := 0; x < p.cols; {
			if x == at.X && y == at.Y && width > 0 && !wraps {
				line = append(line, held...)
				x += width
				continue
			}
			c := p.at(x, y)
			shown, _ := stoodFor(c.Content)
			line = append(line, cmp.Or(shown, " ")...)
			x += max(c.Width, 1)
		}
		lines = append(lines, bytes.TrimRight(line, " "))
	}
	switch {
	case !wraps:
	case at.Y == bottom: // it scrolls
		top, _ := p.margins(now)
		lines = slices.Insert(slices.Delete(lines, top, top+1), bottom, held)
	default:
		y := min(at.Y+1, p.rows-1)
		lines[y] = append(held, lines[y][min(len(held), len(lines[y])):]...)
	}
	b = append(b, bytes.TrimRight(bytes.Join(lines, []byte{'\n'}), "\n")...)
	if len(b) > 0 {
		b = append(b, '\n')
	}
	return b
}

// at returns a cell, or a blank one if there is none.
func (p *picture) at(x, y int) *uv.Cell {
	if c := p.CellAt(x, y); c != nil {
		return c
	}
	return &uv.EmptyCell
}
