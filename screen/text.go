package screen

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// text draws characters and control characters. The end may be held back: see
// flush.
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

// draw writes a character and its marks at a time, but for ASCII: the emulator would
// join more, as emoji, and take the columns of what it has joined for others than
// wcwidth(3) does, by which programs place the cursor.
func (p *picture) draw(t []byte) {
	t = valid(t)
	for len(t) > 0 {
		n := 0
		for n < len(t) && t[n] < utf8.RuneSelf {
			n++
		}
		if n > 0 && n < len(t) { // the last one may have marks
			p.write(t[:n-1])
			t = t[n-1:]
			n = 1
		} else if n == 0 {
			_, n = utf8.DecodeRune(t)
		}
		for n < len(t) && n < maxCluster {
			r, size := utf8.DecodeRune(t[n:])
			if !joins(r) {
				break
			}
			n += size
		}
		p.write(bytes.ReplaceAll(t[:n], []byte(emoji), []byte(stand)))
		t = t[n:]
	}
}

// write draws ASCII or one character. Where the emulator leaves the cursor in the last
// column, behind wide characters and while lines don't wrap, browsers' terminals have
// it behind that, and wrap the next character if lines do by then.
func (p *picture) write(t []byte) {
	if len(t) == 0 {
		return
	}
	wraps := p.told.modes&maskOf(7) == 0
	wide := wraps && t[0] >= utf8.RuneSelf && ansi.StringWidth(string(t)) == 2
	if p.edge && wraps && t[0] >= ' ' || wide && p.CursorPosition().X == p.cols-1 && !p.emulator.Pending() {
		p.Write([]byte("\r\x1bD"))
	}
	last := len(t) - 1
	if !wraps && last > 0 && t[last] < utf8.RuneSelf {
		p.Write(t[:last])
		t = t[last:]
	}
	x := p.CursorPosition().X
	p.edge = wide && x == p.cols-2 || !wraps && x == p.cols-1 && t[0] >= ' '
	p.Write(t)
}

// Pending tells whether the next character will begin the next row.
func (p *picture) Pending() bool { return p.edge || p.emulator.Pending() }

// emoji asks for a picture instead of a character, and makes it wide for the emulator
// alone; stand, another variation selector, stands for it there.
const emoji, stand = "\ufe0f", "\ufe00"

// joins tells whether a character has no columns of its own, as in widths.js.
func joins(r rune) bool {
	return r >= 0x300 && (unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || r >= 0x1160 && r <= 0x11ff)
}

// lastCluster returns where the last character begins, with what may combine.
func lastCluster(t []byte) int {
	i := len(t)
	for i > 0 && t[i-1] >= utf8.RuneSelf && len(t)-i < maxCluster {
		i--
	}
	if i > 0 && t[i-1] >= ' ' && t[i-1] < 0x7f {
		i--
	}
	for i < len(t) && !utf8.RuneStart(t[i]) { // the run is longer than that
		i++
	}
	return i
}

// valid drops what is not UTF-8, as browsers' terminals do.
func valid(t []byte) []byte {
	if utf8.Valid(t) {
		return t
	}
	var b []byte
	for len(t) > 0 {
		r, n := utf8.DecodeRune(t)
		if r != utf8.RuneError || n > 1 {
			b = append(b, t[:n]...)
		}
		t = t[n:]
	}
	return b
}
