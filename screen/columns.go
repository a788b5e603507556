package screen

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// narrow are the characters that have two columns in the emulator but one in the page,
// whose table is older. TestColumns finds missing ones.
var narrow = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x2630, 0x2637, 1}, {0x268a, 0x268f, 1}, {0x2ffc, 0x2fff, 1}, {0x302e, 0x302f, 1}, {0x31e4, 0x31e5, 1},
		{0x31ef, 0x31ef, 1}, {0x4dc0, 0x4dff, 1},
	},
	R32: []unicode.Range32{
		{0x16ff2, 0x16ff6, 1}, {0x187f8, 0x187ff, 1}, {0x18cff, 0x18cff, 1}, {0x18d09, 0x18d1e, 1}, {0x18d80, 0x18df2, 1},
		{0x1aff0, 0x1aff3, 1}, {0x1aff5, 0x1affb, 1}, {0x1affd, 0x1affe, 1}, {0x1b11f, 0x1b122, 1}, {0x1b132, 0x1b132, 1},
		{0x1b155, 0x1b155, 1}, {0x1d300, 0x1d356, 1}, {0x1d360, 0x1d376, 1}, {0x1f1e6, 0x1f1ff, 1}, {0x1f3fb, 0x1f3ff, 1},
		{0x1f6d8, 0x1f6d8, 1}, {0x1f6dc, 0x1f6df, 1}, {0x1f7f0, 0x1f7f0, 1}, {0x1f979, 0x1f979, 1}, {0x1f9cc, 0x1f9cc, 1},
		{0x1fa75, 0x1fa77, 1}, {0x1fa7b, 0x1fa7c, 1}, {0x1fa87, 0x1fa8a, 1}, {0x1fa8e, 0x1fa8f, 1}, {0x1faa9, 0x1faaf, 1},
		{0x1fab7, 0x1fabf, 1}, {0x1fac3, 0x1fac6, 1}, {0x1fac8, 0x1fac8, 1}, {0x1facd, 0x1facf, 1}, {0x1fad7, 0x1fadc, 1},
		{0x1fadf, 0x1faea, 1}, {0x1faef, 0x1faf8, 1},
	},
}

// columns returns how many columns a character has in the page (widths.js).
func columns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case joins(r):
		return 0
	case unicode.Is(narrow, r):
		return 1
	}
	return max(ansi.StringWidth(string(r)), 1)
}

// joins reports whether a character has no columns of its own (widths.js).
func joins(r rune) bool {
	return r >= 0x300 && (unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || r >= 0x1160 && r <= 0x11ff)
}

// variation is the first of the variation selectors. Any number of these joins the
// character before them.
const variation = '\U000e0100'

// standIn returns a stand-in for a character that the emulator would draw over other
// columns or over several cells: another character of the right width, followed by each
// byte of t as a variation selector.
func standIn(t []byte, width int) []byte {
	b := []byte{'x'}
	if width == 2 {
		b = []byte("漢")
	}
	for _, c := range t {
		b = utf8.AppendRune(b, variation+rune(c)-' ')
	}
	return b
}

// cell returns what makes the emulator draw a character and its marks into one cell of the
// given width.
func cell(t []byte, width int) []byte {
	if cluster, n := ansi.FirstGraphemeCluster(t, ansi.GraphemeWidth); len(cluster) == len(t) && n == width &&
		!bytes.Contains(t, []byte("\xf3\xa0")) {
		return t
	}
	return standIn(t, width)
}

// stoodFor returns what a cell shows, and whether the cell held a stand-in.
func stoodFor(content string) (string, bool) {
	_, n := utf8.DecodeRuneInString(content)
	var b []byte
	for _, r := range content[n:] {
		if r < variation {
			return content, false
		}
		b = append(b, byte(r-variation)+' ')
	}
	if b == nil {
		return content, false
	}
	return string(b), true
}
