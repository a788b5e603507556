package screen

import "strconv"

// A color is a terminal's color: none, one of a palette of 256, or a 24-bit color.
type color uint32

const (
	indexed color = 1 << 24 // plus the index
	direct  color = 2 << 24 // plus red, green and blue, 8 bits each
)

// attrs are the attributes of SGR (ECMA-48, section 8.3.117) except underlines.
type attrs uint16

const (
	bold attrs = 1 << iota
	faint
	italic
	blink
	inverse
	hidden
	struck
	overline
)

// attrCodes are the SGR parameters that set and unset each of attrs, in order.
var attrCodes = [...][2]int{{1, 22}, {2, 22}, {3, 23}, {5, 25}, {7, 27}, {8, 28}, {9, 29}, {53, 55}}

// A pen is how a terminal draws the next character.
type pen struct {
	fg, bg, line color // line is the color of the underline
	attrs        attrs
	underline    uint8 // 0 for none; 1 to 5 as in SGR 4:n
}

// apply does what Select Graphic Rendition (SGR) says.
func (p *pen) apply(ps *params) {
	for i := 0; i < ps.n; i++ {
		switch v := ps.value(i); {
		case v == 0:
			*p = pen{}
		case v == 4:
			p.underline = 1
			if i+1 < ps.n && ps.sub[i+1] {
				if p.underline = uint8(ps.value(i + 1)); ps.value(i+1) > 5 {
					p.underline = 1
				}
			}
		case v == 21:
			p.underline = 2
		case v == 24:
			p.underline = 0
		case v >= 30 && v <= 37:
			p.fg = indexed | color(v-30)
		case v >= 40 && v <= 47:
			p.bg = indexed | color(v-40)
		case v >= 90 && v <= 97:
			p.fg = indexed | color(v-90+8)
		case v >= 100 && v <= 107:
			p.bg = indexed | color(v-100+8)
		case v == 39:
			p.fg = 0
		case v == 49:
			p.bg = 0
		case v == 59:
			p.line = 0
		case v == 38, v == 48, v == 58:
			c, n := ps.color(i)
			i += n
			if c == 0 {
				break
			}
			switch v {
			case 38:
				p.fg = c
			case 48:
				p.bg = c
			default:
				p.line = c
			}
		default:
			for k, codes := range attrCodes {
				switch v {
				case codes[0]:
					p.attrs |= 1 << k
				case codes[1]:
					p.attrs &^= 1 << k
				}
			}
		}
		for i+1 < ps.n && ps.sub[i+1] {
			i++
		}
	}
}

// color reads the color that begins at parameter i, which is 38, 48 or 58, in one of the
// forms 38;5;n, 38;2;r;g;b, 38:5:n and 38:2:space:r:g:b. It returns 0 if there is no color,
// and how many of the following parameters belong to it.
func (ps *params) color(i int) (color, int) {
	at, n := i+1, 0 // index of the color's mode; number of parameters after i
	colons := at < ps.n && ps.sub[at]
	if colons {
		for n = 1; i+n+1 < ps.n && ps.sub[i+n+1]; n++ {
		}
	}
	get := func(k int) color {
		if colons && k > n || i+k >= ps.n {
			return 0
		}
		return color(ps.value(i+k)) & 0xff
	}
	switch ps.value(at) {
	case 5:
		if !colons {
			n = min(2, ps.n-i-1)
		}
		return indexed | get(2), n
	case 2:
		first := 3 // after the color space
		if !colons {
			first, n = 2, min(4, ps.n-i-1)
		}
		return direct | get(first)<<16 | get(first+1)<<8 | get(first+2), n
	}
	return 0, max(n, min(1, ps.n-i-1))
}

// appendSGR appends the sequence that makes a terminal draw as p does, regardless of the
// terminal's pen, or nothing if that pen, was, is the same.
func (p pen) appendSGR(b []byte, was pen) []byte {
	if p == was {
		return b
	}
	b = append(b, "\x1b[0"...)
	for k, codes := range attrCodes {
		if p.attrs&(1<<k) != 0 {
			b = append(b, ';')
			b = strconv.AppendInt(b, int64(codes[0]), 10)
		}
	}
	switch p.underline {
	case 0:
	case 1:
		b = append(b, ";4"...)
	default:
		b = append(b, ";4:"...)
		b = strconv.AppendInt(b, int64(p.underline), 10)
	}
	b = p.fg.append(b, 38)
	b = p.bg.append(b, 48)
	b = p.line.append(b, 58)
	return append(b, 'm')
}

// append appends the parameters that choose c as the foreground, background or underline
// color: code is 38, 48 or 58.
func (c color) append(b []byte, code int) []byte {
	number := func(v int) {
		b = append(b, ';')
		b = strconv.AppendInt(b, int64(v), 10)
	}
	v := int(c & 0xffffff)
	switch {
	case c == 0:
	case c&direct != 0:
		for _, v := range [...]int{code, 2, v >> 16, v >> 8 & 0xff, v & 0xff} {
			number(v)
		}
	case code != 58 && v < 8:
		number(code - 8 + v)
	case code != 58 && v < 16:
		number(code - 8 + 60 + v - 8)
	default:
		number(code)
		number(5)
		number(v)
	}
	return b
}
