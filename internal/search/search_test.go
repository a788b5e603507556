package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wsrun/internal/plaintext"
)

// expressions are of each kind: literals, in any case, with required literals, and without.
var expressions = []string{
	"error", "(?i)error", "(?i)task", "(?i)K", "ä", "(?i)ä", "error|panic|fatal", "(?i)error|FATAL", "err.*5", "^b", "a$", `\b5\d\d\b`,
	"", ".", "x{3,}", "(a|b)c", "e(?i)RR", "\uFFFD", "[^ -~]", "\t", "^$", "^.{3}$", "foo|foobar", "(ab)+c?", "a\rb", "a\nb", "^error$",
}

// A hit is a line that matches.
type hit struct{ line, offset int64 }

// A shown line is one with the texts that a resolver makes of it, without continuations.
type shown struct {
	hit
	texts [][]byte
}

// model finds the lines' texts in the most obvious way: all output goes through a resolver, byte by byte.
func model(output []byte, alternate bool) (lines []shown) {
	var v plaintext.Resolver
	cut, at := false, shown{hit: hit{line: 1}}
	v.Emit = func(text []byte, _ int64, whole bool) {
		if !cut {
			at.texts = append(at.texts, bytes.Clone(text[:min(len(text), maxText)]))
		}
		cut = !whole
	}
	v.Begin(0, alternate, nil)
	for i := range output {
		v.Write(output[i : i+1])
		if output[i] == '\n' {
			lines = append(lines, at)
			cut, at = false, shown{hit: hit{at.line + 1, int64(i + 1)}}
		}
	}
	v.Finish()
	return append(lines, at)
}

// find returns the lines that match.
func find(re *regexp.Regexp, lines []shown) (hits []hit) {
	for _, l := range lines {
		if slices.ContainsFunc(l.texts, re.Match) {
			hits = append(hits, l.hit)
		}
	}
	return hits
}

// scan finds the lines with a Scanner, which gets the output in pieces of the given size.
func scan(re *regexp.Regexp, output []byte, alternate bool, size int) (hits []hit) {
	s := New(re, 1).Scan(0, 1, alternate, func(line, offset int64) { hits = append(hits, hit{line, offset}) })
	for p := range slices.Chunk(output, size) {
		s.Write(p)
	}
	s.Finish()
	return hits
}

func FuzzScanner(f *testing.F) {
	for i, in := range []string{
		"an error\nnone\nERROR 5\r\n", "\x1b[31merr\x1b[0mor\x1b[K\n", "50%\rerror\x1b[K\n", "error\r\x1b[K\n", "erxx\b\bror\n", "\xc3\x1b[m\xa4\n", "ta\u017f\u212a\n",
		"\x1b[?1049herror\nerror\x1b[?1049l\nerror\n", "\x1b]2;error\n\apanic\n", "er\u009b0mror\nfatal", "a\x1b[2Aerror\x1b[Bx\n", "x\r\r\n\r\n\n", "e\x00rror\x7f\n\xffb\n",
	} {
		for n := range expressions {
			f.Add([]byte(in), uint8(n), uint8(i*7), false)
		}
	}
	f.Add([]byte("error\x1b[?1049l\nerror\n"), uint8(0), uint8(9), true)
	f.Fuzz(func(t *testing.T, in []byte, n, size uint8, alternate bool) {
		re := regexp.MustCompile(expressions[int(n)%len(expressions)])
		want := find(re, model(in, alternate))
		if got := scan(re, in, alternate, int(size)+1); !slices.Equal(got, want) {
			t.Fatalf("%s in %q: %v, want %v", re, in, got, want)
		}
	})
}

// output returns lines of many kinds, some longer than what is matched.
func output(rng *rand.Rand, n int) (p []byte) {
	words := []string{"error", "Error", "ERROR", "panic", "fatal", "ta\u017fk", "\u212aelvin", "ä", "Ä", "500", "5000", "foobar", "xxxx", "abab", "\t", "\xff", "\xe2\x82", "€", "\u0085",
		"\x1b[31m", "\x1b[m", "\x1b[K", "\x1b[1;38;5;9m", "\r", "\b\b", "\x1b[2C", "\x1b[A", "\x1b]8;;x\x1b\\", "\x1b[?1049h", "\x1b[?1049l", "\x1b]0;t", "\a", "e\u0301", "中"}
	for range n {
		kinds := 19
		if rng.IntN(3) == 0 {
			kinds = len(words)
		}
		if rng.IntN(150) == 0 {
			p = append(p, strings.Repeat(words[rng.IntN(14)], rng.IntN(30_000))...) // no tabs: a resolver cuts lines by their width
		}
		for range rng.IntN(8) {
			p = append(p, words[rng.IntN(kinds)]...)
			p = append(p, " "[:rng.IntN(2)]...)
		}
		p = append(p, []string{"\n", "\r\n", "\x1b[0m\n", "\n"}[rng.IntN(4)]...)
	}
	return append(p, "an unfinished error"...)
}

func TestScannerFindsWhatTheModelFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		out := output(rng, 300)
		lines := model(out, false)
		for _, e := range expressions {
			re := regexp.MustCompile(e)
			want := find(re, lines)
			for _, size := range []int{7, 100_000} {
				if got := scan(re, out, false, size); !slices.Equal(got, want) {
					for i := range max(len(got), len(want)) {
						if i >= len(got) || i >= len(want) || got[i] != want[i] {
							t.Fatalf("%q in pieces of %d: %d hits, want %d; number %d differs: %v, %v", e, size, len(got), len(want), i,
								got[min(i, len(got)):min(i+1, len(got))], want[min(i, len(want)):min(i+1, len(want))])
						}
					}
				}
			}
		}
	}
}

// accessLog returns lines of an access log, without any colors.
func accessLog() (p []byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	for len(p) < 8<<20 {
		p = fmt.Appendf(p, "10.0.%d.%d - - [12/Oct/2025:07:%02d:%02d +0000] \"GET /api/v1/items/%d HTTP/1.1\" %d %d \"-\" \"Mozilla/5.0 (X11; Linux)\"\n",
			rng.IntN(256), rng.IntN(256), rng.IntN(60), rng.IntN(60), rng.IntN(100_000), []int{200, 200, 200, 304, 404}[rng.IntN(5)], rng.IntN(1<<20))
	}
	return p
}

// build returns a build's output, with colors.
func build() (p []byte) {
	for n := 0; len(p) < 8<<20; n++ {
		p = fmt.Appendf(p, "\x1b[1m\x1b[32m   Compiling\x1b[0m module-%d v1.%d.0 \x1b[2m(/src/lib/module-%d.c)\x1b[0m\x1b[K\r\n", n, n%10, n)
	}
	return p
}

func BenchmarkScan(b *testing.B) {
	log, colored := accessLog(), build()
	for _, bb := range []struct {
		name, expression string
		output           []byte
	}{
		{"literal", "panic: runtime", log},
		{"literal/coloured", "panic: runtime", colored},
		{"literal/any-case", "(?i)panic: runtime", log},
		{"required", `panic.*goroutine \d+`, log},
		{"required/hits", `items/7\d* HTTP`, log},
		{"alternatives", "error|panic|fatal", log},
		{"other", `\b5\d\d\b`, log},
		{"other/coloured", `\b5\d\d\b`, colored},
	} {
		b.Run(bb.name, func(b *testing.B) {
			m := New(regexp.MustCompile(bb.expression), 1)
			b.SetBytes(int64(len(bb.output)))
			b.ReportAllocs()
			for b.Loop() {
				s := m.Scan(0, 1, false, func(int64, int64) {})
				s.Write(bb.output)
				s.Finish()
			}
		})
	}
}

func TestScannerHoldsLittle(t *testing.T) {
	s := New(regexp.MustCompile("error"), 1).Scan(0, 1, false, func(int64, int64) {})
	piece := bytes.Repeat([]byte("no newline "), 10_000)
	for range 200 {
		s.Write(piece)
	}
	if n := cap(s.held) + cap(s.scratch) + cap(s.folded); n > 1<<20 {
		t.Errorf("%d bytes held", n)
	}
}
