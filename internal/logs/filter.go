package logs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"runtime"
	"strings"
)

const (
	// maxExpr is the longest expression, in bytes.
	maxExpr = 1 << 10
	// maxInstructions is the largest program that an expression may compile to: seven bytes
	// can stand for a thousand instructions, of some hundred bytes each.
	maxInstructions = 10_000
)

// A Filter lets through the lines that a regular expression matches (RE2, which takes linear
// time) or, inverted, the others. The zero Filter lets all through.
type Filter struct {
	re      *regexp.Regexp
	expr    string
	literal []byte // all that re looks for, if that is a plain text within a line
	invert  bool
}

// All reports whether the filter lets all lines through.
func (f Filter) All() bool { return f.re == nil }

// A Compiler compiles filters, few at a time: the others wait for their turn. Its methods may
// be called concurrently.
type Compiler struct{ turns chan struct{} }

// NewCompiler returns a Compiler that leaves half of the processors alone.
func NewCompiler() *Compiler {
	return &Compiler{make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// Compile returns the filter of an expression; the one that lets all through if that is
// empty. The error is ctx's, or says what is wrong with the expression.
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

func compile(expr string, invert bool) (Filter, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		why := err.Error()
		if e, ok := errors.AsType[*syntax.Error](err); ok { // which has the expression in it, as it is
			why = e.Code.String()
		}
		return Filter{}, fmt.Errorf("bad grep=%q: %s", expr, why)
	}
	if n := instructions(tree); n > maxInstructions {
		return Filter{}, fmt.Errorf("bad grep: it takes more than %d instructions", maxInstructions)
	}
	f := Filter{expr: expr, invert: invert}
	// Not Regexp.LiteralPrefix, to which ^a$ is all of a plain text.
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

// instructions returns how many instructions an expression compiles to, or a number over
// maxInstructions. Unlike compiling it takes no memory.
func instructions(tree *syntax.Regexp) int {
	const failAndMatch = 2
	return failAndMatch + size(tree)
}

// size returns how many instructions a part of an expression compiles to, at least one. Over
// maxInstructions it is not exact.
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
	case syntax.OpStar: // of what may match nothing it is (x+)?
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

// repeated returns the size of a part that is repeated: x{2,4} is xx(x(x)?)?, and x{2,} is
// xx+.
func repeated(sub, least, most int) int {
	if most < 0 {
		return max(least, 1)*sub + 2
	}
	return max(1, least*sub+(most-least)*(sub+1))
}
