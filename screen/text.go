package screen

import (
	"bytes"
	"unicode/utf8"
)

// text draws characters and control characters. It may hold back the end: see flush.
func (p *picture) text(t []byte) {
	if len(t) == 0 {
		return
	}
	t = append(p.held, t...)
	cut := lastCluster(t)
	p.held = t[cut:len(t):len(t)]
	p.draw(t[:cut])
}

// flush draws what is held back.
func (p *picture) flush() {
	t := p.held
	p.held = nil
	p.draw(t)
}

// draw writes ASCII in runs and any other character, with its marks, on its own, because
// the emulator would join more than that, such as emoji.
func (p *picture) draw(t []byte) {
	t = p.translate(valid(t))
	for len(t) > 0 {
		n := 0
		for n < len(t) && t[n] < utf8.RuneSelf {
			n++
		}
		if next, _ := utf8.DecodeRune(t[n:]); n > 0 && n < len(t) && joins(next) && t[n-1] >= ' ' {
			n-- // its marks follow
		}
		if n == 0 {
			n = p.drawOne(t)
		} else {
			p.write(t[:n], 1)
			p.last = 0
			if t[n-1] >= ' ' {
				p.last = 1
			}
		}
		t = t[n:]
	}
}

// drawOne draws the first character of t with its marks, and returns their length.
func (p *picture) drawOne(t []byte) int {
	r, n := utf8.DecodeRune(t)
	width := columns(r)
	if width == 0 {
		// Browsers' terminals give the character a cell, unless it may join the one before.
		if p.last == 0 && !p.Pending() {
			p.write(standIn(t[:n], 1), 1)
		}
		return n
	}
	end := n
	for end < len(t) {
		r, size := utf8.DecodeRune(t[end:])
		if !joins(r) {
			break
		}
		if end += size; end <= maxCluster {
			n = end
		}
	}
	p.write(cell(t[:n], width), width)
	p.last = width
	return end
}

// write draws ASCII, or one character of the given width. After a wide character, and while
// lines don't wrap, the emulator leaves the cursor in the last column. Browsers' terminals
// leave it beyond that column, and wrap the next character if lines wrap by then.
func (p *picture) write(t []byte, width int) {
	for p.edge && len(t) > 0 && t[0] < ' ' && bytes.IndexByte([]byte("\b\n\v\f\r"), t[0]) < 0 {
		t = t[1:] // a tab, or a character without effect, leaves the cursor there
	}
	if len(t) == 0 {
		return
	}
	wraps := p.synced.modes&maskOf(7) == 0
	wide := width == 2
	if at := p.CursorPosition(); wide && !wraps && at.X >= p.cols-1 {
		p.settle()
		return
	} else if p.edge && wraps && t[0] >= ' ' || wide && at.X == p.cols-1 && !p.emulator.Pending() {
		p.Write([]byte("\r\x1bD"))
	}
	if last := len(t) - 1; !wraps && last > 0 && t[last] < utf8.RuneSelf {
		p.Write(t[:last])
		t = t[last:]
	}
	x := p.CursorPosition().X
	p.edge = wide && x == p.cols-2 || !wraps && x == p.cols-1 && t[0] >= ' '
	p.Write(t)
}

// repeat draws the last character n more times.
func (p *picture) repeat(n int) {
	at := p.CursorPosition()
	x := at.X - p.last
	if p.Pending() {
		x++
	}
	if p.last == 0 || x < 0 {
		return
	}
	shown, _ := stoodFor(p.at(x, at.Y).Content)
	p.draw(bytes.Repeat([]byte(shown), n))
}

// Pending reports whether the next character will go to the start of the next row.
func (p *picture) Pending() bool { return p.edge || p.emulator.Pending() }

// lastCluster returns where the last character begins, because its end or its marks may not
// have arrived yet.
func lastCluster(t []byte) int {
	i := len(t)
	for i > 0 && len(t)-i < maxCluster {
		r, n := utf8.DecodeLastRune(t[:i])
		if r < ' ' {
			break
		}
		i -= n
		if r != 0x7f && (r != utf8.RuneError || n > 1) && !joins(r) {
			break
		}
	}
	return i
}

// valid drops DEL and whatever is not UTF-8, as browsers' terminals do.
func valid(t []byte) []byte {
	if utf8.Valid(t) && bytes.IndexByte(t, 0x7f) < 0 {
		return t
	}
	var b []byte
	for len(t) > 0 {
		r, n := utf8.DecodeRune(t)
		if r != 0x7f && (r != utf8.RuneError || n > 1) {
			b = append(b, t[:n]...)
		}
		t = t[n:]
	}
	return b
}
