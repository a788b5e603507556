package plaintext

import (
	"sync"
	"unicode/utf8"
)

// maxMarks is how many bytes of marks a character may have to get another one. Adding marks
// takes quadratic time.
const maxMarks = 64

// A cell is one column of a line. A character of two columns, or a tab, is followed by
// cells whose r is 0.
type cell struct {
	r     rune
	marks string // combining characters
}

var blank = cell{r: ' '}

// spare holds memory for short lines, which resolvers need only within a line. There may be thousands of
// them, most of which wait between two lines, or while a client takes one.
var spare = sync.Pool{New: func() any { return new([shortLine]cell) }}

// combine adds a mark to the character before the cursor, and reports whether it did: not if
// there is no such character, or if that character has too many marks already.
func (v *Resolver) combine(mark rune) bool {
	at := min(v.col, len(v.line)) - 1
	for at > 0 && v.line[at].r == 0 {
		at--
	}
	if at < 0 || len(v.line[at].marks) > maxMarks {
		return false
	}
	v.line[at].marks += string(mark)
	return true
}

// put writes c over the columns at the cursor and moves the cursor past them.
func (v *Resolver) put(c cell, columns int) {
	if v.col+columns > maxCells {
		v.emitLine(v.start, false)
	}
	if v.short == nil {
		v.short = spare.Get().(*[shortLine]cell)
		v.line = v.short[:0]
	}
	v.pad(v.col)
	if v.col == len(v.line) && columns == 1 { // nearly always
		v.line = append(v.line, c)
		v.col++
		return
	}
	v.split(v.col)
	v.split(v.col + columns)
	for i := range columns {
		if i > 0 {
			c = cell{}
		}
		if v.col < len(v.line) {
			v.line[v.col] = c
		} else {
			v.line = append(v.line, c)
		}
		v.col++
	}
}

// pad makes the line reach to col.
func (v *Resolver) pad(col int) {
	for len(v.line) < col {
		v.line = append(v.line, blank)
	}
}

// split replaces a character that starts before col and reaches over it with blanks.
func (v *Resolver) split(col int) {
	if col >= len(v.line) || v.line[col].r != 0 {
		return
	}
	from := col
	for v.line[from].r == 0 {
		from--
	}
	for v.line[from] = blank; from+1 < len(v.line) && v.line[from+1].r == 0; from++ {
		v.line[from+1] = blank
	}
}

// cut drops the cells from col on.
func (v *Resolver) cut(col int) {
	if col < len(v.line) {
		v.split(col)
		v.line = v.line[:col]
	}
}

// blank erases the cells from a up to b.
func (v *Resolver) blank(a, b int) {
	if b >= len(v.line) {
		v.cut(a)
		return
	}
	v.split(a)
	v.split(b)
	for i := a; i < b; i++ {
		v.line[i] = blank
	}
}

// emitLine passes the line, which ends before offset, to Emit and begins a new one.
func (v *Resolver) emitLine(offset int64, whole bool) {
	v.out = v.out[:0]
	for _, c := range v.line {
		if c.r != 0 {
			v.out = utf8.AppendRune(v.out, c.r)
			v.out = append(v.out, c.marks...)
		}
	}
	line := v.out
	if v.short != nil {
		clear(v.short[:min(len(v.line), shortLine)]) // the marks
		spare.Put(v.short)
		v.short = nil
	}
	v.line, v.col = nil, 0
	if cap(v.out) > maxKept {
		v.out = nil
	}
	v.Emit(line, offset, whole)
}
