package plaintext

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"
)

const (
	// maxCells is the longest line that is resolved, in cells. A longer line is emitted in
	// pieces, so that a stream without newlines costs no memory.
	maxCells = 64 << 10
	// maxParam keeps a number in a sequence from overflowing.
	maxParam = maxCells
	// defaultCols is how far the cursor moves if the width is unknown. Without a limit, a
	// few bytes could produce megabytes of blanks.
	defaultCols = 120
	tabWidth    = 8

	// maxKept is the largest buffer, in bytes, that a resolver keeps for the text of its next line, and
	// the largest one for the cells of an unfinished line that [Resolver.Shrink] leaves. There may be
	// thousands of resolvers, and few lines are that long.
	maxKept = 8 << 10
	// cellSize is about the size of a cell, and shortLine the number of cells that most lines have.
	cellSize  = 24
	shortLine = 320
)

// A Resolver turns a terminal's output into lines of text: without escape sequences, and
// with only what is left after carriage returns, backspaces and movements within the line
// have overwritten text. Its zero value with Emit set is ready to use. Its methods must not
// be called concurrently.
type Resolver struct {
	// Emit is called with a line without its newline, and with the offset after that
	// newline. whole is false if the line is a piece of a longer one, or the stream ended
	// within it. The line is only valid during the call.
	Emit func(line []byte, offset int64, whole bool)
	// Offset is the offset of the next byte to be resolved.
	Offset int64
	// alternate reports that the alternate screen is in use. Its content is not part of the
	// lines.
	alternate bool
	// Cols is the terminal's width, which limits movements; 0 if unknown.
	Cols int

	half   []byte // an incomplete character at the end of the last write
	start  int64  // offset of the character being resolved
	line   []cell // in spare memory as long as it is short; nil between lines
	short  *[shortLine]cell
	col    int
	state  escape
	bell   bool   // BEL also ends the text
	params [2]int // the first two numbers of a control sequence
	param  int    // index of the parameter being read
	odd    bool   // the control sequence has a prefix or an intermediate byte
	mode   bool   // the prefix is that of a private mode
	out    []byte
}

// To returns a resolver that writes its lines to w, with newlines. It ignores w's errors: a
// [bufio.Writer] keeps them.
func To(w io.Writer) *Resolver {
	return &Resolver{Emit: func(line []byte, _ int64, whole bool) {
		w.Write(line)
		if whole {
			io.WriteString(w, "\n")
		}
	}}
}

// Begin prepares the resolver for the output from offset on. If the offset is within a
// sequence, head is the beginning of that sequence.
func (v *Resolver) Begin(offset int64, alternate bool, head []byte) {
	v.alternate = alternate
	v.Offset = offset - int64(len(head))
	v.Write(head)
}

// Write implements [io.Writer]. It never fails.
func (v *Resolver) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n') + 1
		if i == 0 {
			i = len(p)
		}
		v.segment(p[:i])
		p = p[i:]
	}
	return n, nil
}

// Finish emits the unfinished last line, if there is one.
func (v *Resolver) Finish() {
	if len(v.half) > 0 {
		v.Offset += int64(len(v.half))
		v.half = nil
		v.step(utf8.RuneError)
	}
	if len(v.line) > 0 {
		v.emitLine(v.Offset, false)
	}
}

// Shrink emits the unfinished line as a piece if it takes much memory. Readers call it before they wait for
// output: there may be thousands of them.
func (v *Resolver) Shrink() {
	if cap(v.line)*cellSize > maxKept && len(v.line) > 0 {
		v.emitLine(v.Offset-int64(len(v.half)), false)
	}
}

// AtRest reports whether the resolver is at the beginning of a line, outside of sequences, and not on the
// alternate screen: a line that is plain text is then emitted as it is.
func (v *Resolver) AtRest() bool {
	return !v.alternate && v.state == ground && v.col == 0 && len(v.line) == 0 && len(v.half) == 0
}

// segment resolves a piece that has no newline except possibly at its end.
func (v *Resolver) segment(p []byte) {
	if line, ok := bytes.CutSuffix(p, []byte("\n")); ok && v.AtRest() {
		if line = bytes.TrimRight(line, "\r"); isPlain(line) {
			v.Offset += int64(len(p))
			v.Emit(line, v.Offset, true)
			return
		}
	}
	if len(v.half) > 0 {
		p, v.half = append(v.half, p...), nil
	}
	for len(p) > 0 {
		if !utf8.FullRune(p) {
			v.half = bytes.Clone(p)
			return
		}
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			n = subpart(p)
		}
		v.start = v.Offset
		v.Offset += int64(n)
		p = p[n:]
		v.step(r)
	}
}

// isPlain reports whether a line is already resolved text.
func isPlain(line []byte) bool {
	ascii := true
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return true
	}
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && r != '\t' {
			return false
		}
		line = line[n:]
	}
	return true
}
