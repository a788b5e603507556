package search

import (
	"bytes"

	"wsrun/internal/plaintext"
)

// pieceSize is how much output is looked at together, in bytes, so that what several passes look at stays in
// the processor's cache.
const pieceSize = 64 << 10

// maxLine is how much of a line counts, with its control sequences, in bytes.
const maxLine = 1 << 20

var newline = []byte{'\n'}

// A Scanner reports the lines of a stream's output whose text matches. A line is what a newline ends. It
// holds some MiB at most, whatever the output. Its methods must not be called concurrently.
type Scanner struct {
	m        *Matcher
	hit      func(line, offset int64)
	resolver plaintext.Resolver

	line, offset int64  // of the first byte that is not looked at: newlines before it
	start        int64  // where the line of that byte begins
	held         []byte // an unfinished line
	continued    bool   // the resolver has the beginning of the line
	cut          bool   // the resolver has emitted a piece of a line
	matched      bool   // the line that the resolver has matches
	decided      bool   // what follows of that line doesn't count
	scratch      []byte
	folded       []byte
}

// Scan returns a Scanner that begins at an offset at which a line begins, outside of control sequences;
// alternate reports that the alternate screen is in use there. It calls hit with the number, counted from
// 1, and the offset of each line that matches.
func (m *Matcher) Scan(offset, line int64, alternate bool, hit func(line, offset int64)) *Scanner {
	s := &Scanner{m: m, hit: hit, line: line - 1, offset: offset, start: offset}
	s.resolver.Emit = s.emitted
	s.resolver.Begin(offset, alternate, nil)
	return s
}

// Write implements [io.Writer]. It never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		piece := p[:min(len(p), pieceSize)]
		p = p[len(piece):]
		s.add(piece)
	}
	return n, nil
}

// Finish looks at the unfinished last line. Output that follows begins another one, with the same number.
func (s *Scanner) Finish() {
	if len(s.held) > 0 {
		s.resolve(s.held)
	}
	s.resolver.Finish()
	s.matched, s.cut, s.decided, s.continued = false, false, false, false
	s.held, s.start = s.held[:0], s.offset
}

// Shrink frees what the scanner holds for lines that were long. Readers call it before they wait for output:
// there may be thousands of them.
func (s *Scanner) Shrink() {
	s.scratch, s.folded = nil, nil
	if len(s.held) == 0 {
		s.held = nil
	}
	s.resolver.Shrink()
}

// add looks at the whole lines up to the end of p, and holds the rest.
func (s *Scanner) add(p []byte) {
	if len(s.held) > 0 || s.continued {
		n := bytes.IndexByte(p, '\n') + 1
		whole := n > 0
		if !whole {
			n = len(p)
		}
		switch s.held = append(s.held, p[:n]...); {
		case whole && !s.continued:
			s.lines(s.held)
			s.held = s.held[:0]
		case whole || len(s.held) > maxText || s.offset+int64(len(s.held))-s.start > maxLine:
			s.resolve(s.held)
			s.held, s.continued = s.held[:0], !whole
		}
		p = p[n:]
	}
	whole := bytes.LastIndexByte(p, '\n') + 1
	s.lines(p[:whole])
	s.held = append(s.held, p[whole:]...)
}

// lines looks at whole lines.
func (s *Scanner) lines(p []byte) {
	for len(p) > 0 {
		n := 0
		if s.resolver.AtRest() {
			if n = plainLines(p); n > 0 {
				s.plain(p[:n])
				p = p[n:]
				continue
			}
			n = bytes.IndexByte(p, '\n') + 1
			var ok bool
			if s.scratch, ok = uncolored(s.scratch[:0], p[:n-1]); ok {
				if s.match(s.scratch) {
					s.hit(s.line+1, s.offset)
				}
				s.pass(n, 1)
				p = p[n:]
				continue
			}
		}
		n = bytes.IndexByte(p, '\n') + 1
		s.resolve(p[:n])
		p = p[n:]
	}
}

// pass moves on by n bytes, with that many newlines, at the end of which a line begins.
func (s *Scanner) pass(n, newlines int) {
	s.line += int64(newlines)
	s.offset += int64(n)
	s.start = s.offset
	s.resolver.Offset = s.offset
}

// resolve looks at a line, or at a part of one, that is not plain.
func (s *Scanner) resolve(p []byte) {
	end := s.offset + int64(len(p))
	if left := s.start + maxLine - s.offset; !s.decided && left < int64(len(p)) {
		s.resolver.Write(p[:left])
		s.decide()
		p = p[left:]
	}
	s.resolver.Write(p)
	s.offset = end
	if bytes.HasSuffix(p, newline) {
		s.matched, s.cut, s.decided = false, false, false
		s.line++
		s.start = s.offset
	}
}

// Decide judges an unfinished line by its beginning: the rest doesn't count.
func (s *Scanner) Decide() {
	if len(s.held) > 0 {
		s.resolve(s.held)
		s.held, s.continued = s.held[:0], true
	}
	s.decide()
}

// decide is Decide if the resolver has all that there is.
func (s *Scanner) decide() {
	if !s.decided {
		s.resolver.Finish()
		s.decided = true
	}
}

// emitted takes a line from the resolver, and reports the first that matches. Of a line in pieces, only the first
// counts.
func (s *Scanner) emitted(text []byte, _ int64, whole bool) {
	if !s.matched && !s.cut && !s.decided && s.match(text) {
		s.matched = true
		s.hit(s.line+1, s.start)
	}
	s.cut = !whole
}

// match reports whether a text matches.
func (s *Scanner) match(text []byte) bool {
	text = text[:min(len(text), maxText)]
	if s.m.literals == nil || s.m.fold && folds(text) {
		return s.m.match(text)
	}
	shown := text
	if s.m.fold {
		s.folded = lower(s.folded[:0], text)
		shown = s.folded
	}
	for _, l := range s.m.literals {
		if bytes.Contains(shown, l) {
			return s.m.match(text)
		}
	}
	return false
}

// plain looks at whole lines that are text, apart from carriage returns at their ends.
func (s *Scanner) plain(p []byte) {
	shown := p
	if s.m.fold {
		if folds(p) {
			s.each(p)
			return
		}
		s.folded = lower(s.folded[:0], p)
		shown = s.folded
	}
	if s.m.literals == nil {
		s.each(p)
		return
	}
	s.near(p, shown)
}

// each looks at each line.
func (s *Scanner) each(p []byte) {
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		if s.match(bytes.TrimRight(p[:n-1], "\r")) {
			s.hit(s.line+1, s.offset)
		}
		s.pass(n, 1)
		p = p[n:]
	}
}

// near looks at the lines with a literal. shown is p in the case of the literals.
func (s *Scanner) near(p, shown []byte) {
	next := make([]int, 0, maxLiterals) // where each literal is next, or len(p)
	for range s.m.literals {
		next = append(next, -1)
	}
	for at := 0; at < len(p); {
		first := len(p)
		for i, l := range s.m.literals {
			if next[i] < at {
				if next[i] = bytes.Index(shown[at:], l); next[i] < 0 {
					next[i] = len(p)
				} else {
					next[i] += at
				}
			}
			first = min(first, next[i])
		}
		if first == len(p) {
			s.pass(len(p)-at, bytes.Count(p[at:], newline))
			return
		}
		start := at + bytes.LastIndexByte(p[at:first], '\n') + 1
		end := first + bytes.IndexByte(p[first:], '\n') + 1
		s.pass(start-at, bytes.Count(p[at:start], newline))
		if text := bytes.TrimRight(p[start:end-1], "\r"); s.m.match(text) {
			s.hit(s.line+1, s.offset)
		}
		s.pass(end-start, 1)
		at = end
	}
}
