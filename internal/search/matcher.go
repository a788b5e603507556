// Package search finds the lines of a terminal's output whose text matches an expression.
//
// The text of a line is what package plaintext makes of it. Most lines are text already, or are once
// their colors are removed; only the others go through a resolver. Where an expression can't match
// without one of a few literals, lines without them are not looked at.
package search

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	// maxText is how much of a line's text is matched, in bytes.
	maxText = 64 << 10
	// maxLiterals is how many literals are searched for. Each takes a pass over the output.
	maxLiterals = 8
)

// A Matcher matches lines' texts against an expression. Its methods may be called concurrently.
type Matcher struct {
	re       *regexp.Regexp
	literals [][]byte // a text that matches has one of them; nil if that isn't known
	fold     bool     // in any case: the literals are in lower case
	size     int64    // instructions, about
	exact    bool     // a text with a literal matches
}

// New returns a Matcher for an expression that was compiled in RE2 syntax, and has about so many instructions.
func New(re *regexp.Regexp, size int) *Matcher {
	m := &Matcher{re: re, size: int64(size)}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return m
	}
	tree = tree.Simplify()
	found, fold := required(tree)
	for _, s := range found {
		m.literals = append(m.literals, []byte(s))
	}
	m.fold = fold
	m.exact = tree.Op == syntax.OpLiteral && !fold && len(found) == 1
	return m
}

// Size returns about how many instructions the expression has.
func (m *Matcher) Size() int64 { return m.size }

// required returns literals of which each text that matches has at least one; none if they aren't known. If
// fold is true, they are ASCII in lower case, and the text may have them in any case.
func required(re *syntax.Regexp) (literals []string, fold bool) {
	switch re.Op {
	case syntax.OpLiteral:
		return literal(re)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if found, f := required(sub); shortest(found) > shortest(literals) {
				literals, fold = found, f
			}
		}
		return literals, fold
	case syntax.OpAlternate:
		for i, sub := range re.Sub {
			found, f := required(sub)
			if len(found) == 0 || i > 0 && f != fold {
				return nil, false
			}
			literals, fold = append(literals, found...), f
		}
		if len(literals) <= maxLiterals {
			return literals, fold
		}
	}
	return nil, false
}

// literal is required for a literal.
func literal(re *syntax.Regexp) ([]string, bool) {
	s := string(re.Rune)
	if strings.ContainsRune(s, utf8.RuneError) {
		return nil, false // it also matches bytes that are not UTF-8
	}
	if re.Flags&syntax.FoldCase == 0 {
		return []string{s}, false
	}
	for _, r := range re.Rune {
		if r >= utf8.RuneSelf {
			return nil, false
		}
	}
	return []string{strings.ToLower(s)}, true
}

// shortest returns the length of the shortest literal.
func shortest(literals []string) int {
	n := 0
	for i, s := range literals {
		if i == 0 || len(s) < n {
			n = len(s)
		}
	}
	return n
}

// match reports whether a text matches that has one of the literals, if there are any.
func (m *Matcher) match(text []byte) bool {
	text = text[:min(len(text), maxText)]
	return m.exact && bytes.Contains(text, m.literals[0]) || !m.exact && m.re.Match(text)
}

// folds reports whether p has a character beyond ASCII that is equal to an ASCII letter, but for its case.
func folds(p []byte) bool {
	return bytes.Contains(p, []byte("\u017f")) || bytes.Contains(p, []byte("\u212a")) // long s, Kelvin
}

// lower appends p with its ASCII letters in lower case.
func lower(b, p []byte) []byte {
	n := len(b)
	b = append(b, p...)
	for i, c := range b[n:] {
		if c-'A' < 26 {
			b[n+i] = c + ('a' - 'A')
		}
	}
	return b
}
