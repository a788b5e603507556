package logs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"wsrun/hub"
	"wsrun/internal/search"
)

const (
	// maxExpr is the longest expression, in bytes.
	maxExpr = 1 << 10
	// maxInstructions is the largest program that an expression may compile to. Without this
	// limit, a short expression could take a lot of memory: a{1000} stands for a thousand
	// instructions, at about a hundred bytes each (docs/facts.md, internal/logs).
	maxInstructions = 10_000
)

// A Filter passes the lines that a regular expression matches or, inverted, the other lines.
// Expressions have the syntax of package regexp, and matching takes linear time. The zero
// Filter passes all lines. A Filter may be used concurrently.
type Filter struct {
	re      *regexp.Regexp
	expr    string
	literal []byte // if re matches a plain text anywhere in a line, that text
	invert  bool
	size    int // about how many instructions re has
}

// All reports whether the filter passes all lines.
func (f Filter) All() bool { return f.re == nil }

// Matcher returns what finds the lines that match the filter's expression; nil if the filter has none.
func (f Filter) Matcher() *search.Matcher {
	if f.All() {
		return nil
	}
	return search.New(f.re, f.size)
}

// A Compiler compiles filters, and limits how many are compiled at a time. Its methods may be
// called concurrently.
type Compiler struct{ turns chan struct{} }

// NewCompiler returns a Compiler that uses at most half of the processors, so that strangers'
// expressions leave the others to the output.
func NewCompiler() *Compiler {
	return &Compiler{make(chan struct{}, hub.HalfTheProcessors())}
}

// Compile returns the filter for an expression; an empty one gives the zero Filter. Compile
// waits for its turn. The error is ctx's, or says what is wrong with the expression, and is
// then fit to be sent to the client.
func (c *Compiler) Compile(ctx context.Context, expr string, invert bool) (Filter, error) {
	if expr == "" {
		return Filter{}, nil
	}
	if len(expr) > maxExpr {
		return Filter{}, fmt.Errorf("bad grep: %d bytes, want at most %d", len(expr), maxExpr)
	}
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return Filter{}, ctx.Err()
	}
	return compile(expr, invert)
}

// compile compiles an expression, which isn't empty, immediately.
func compile(expr string, invert bool) (Filter, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		why := err.Error()
		if e, ok := errors.AsType[*syntax.Error](err); ok { // its text has the expression unquoted
			why = e.Code.String()
		}
		return Filter{}, fmt.Errorf("bad grep=%q: %s", expr, why)
	}
	n := instructions(tree)
	if n > maxInstructions {
		return Filter{}, fmt.Errorf("bad grep: it takes more than %d instructions", maxInstructions)
	}
	f := Filter{expr: expr, invert: invert, size: n}
	// Regexp.LiteralPrefix won't do: it reports ^a$ as the complete literal a.
	if tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
		if text := string(tree.Rune); !strings.ContainsAny(text, "\r\n\uFFFD") {
			f.literal = []byte(text)
		}
	}
	if f.re, err = regexp.Compile(expr); err != nil {
		return Filter{}, fmt.Errorf("bad grep=%q: %w", expr, err)
	}
	return f, nil
}

// instructions returns the number of instructions that an expression compiles to, or any
// number over maxInstructions if that is exceeded. Unlike compiling, it takes no memory.
func instructions(tree *syntax.Regexp) int {
	const failAndMatch = 2
	return failAndMatch + size(tree)
}

// size returns the number of instructions, at least one, that part of an expression compiles
// to. A result over maxInstructions isn't exact.
func size(tree *syntax.Regexp) int {
	subs := 0
	for _, sub := range tree.Sub {
		if subs += size(sub); subs > maxInstructions {
			return subs
		}
	}
	switch tree.Op {
	case syntax.OpLiteral:
		return max(1, len(tree.Rune))
	case syntax.OpCapture:
		return subs + 2
	case syntax.OpStar: // if x can match nothing, x* compiles to (x+)?
		return subs + 2
	case syntax.OpPlus, syntax.OpQuest:
		return subs + 1
	case syntax.OpConcat:
		return max(1, subs)
	case syntax.OpAlternate:
		return subs + len(tree.Sub) - 1
	case syntax.OpRepeat:
		return repeated(subs, tree.Min, tree.Max)
	}
	return 1
}

// repeated returns the size of a repetition of a part of size sub: x{2,4} compiles to
// xx(x(x)?)?, and x{2,} to xx+. A negative most stands for no maximum.
func repeated(sub, least, most int) int {
	if most < 0 {
		return max(least, 1)*sub + 2
	}
	return max(1, least*sub+(most-least)*(sub+1))
}
