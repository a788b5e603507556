package plaintext

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func resolve(pieces ...[]byte) string {
	var out strings.Builder
	v := To(&out)
	for _, p := range pieces {
		v.Write(p)
	}
	v.Finish()
	return out.String()
}

func TestResolver(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n":                   "plain\n",
		"a\r\nb\r\n":                "a\nb\n",
		"a\r\r\nb":                  "a\nb",
		"\x1b[1;31mred\x1b[0m\n":    "red\n",
		"10 %\r20 %\r100 %\n":       "100 %\n",
		"long text\rshort\n":        "shorttext\n",
		"long text\rshort\x1b[K\n":  "short\n",
		"long text\x1b[2K\rshort\n": "short\n",
		"abc\b\bX\n":                "aXc\n",
		"a\b\b\bX\n":                "X\n",
		"man: b\bbo\bol\bld _\bu\n": "man: bold u\n",
		"a\tb\n":                    "a\tb\n",
		"a\tb\rxyz\n":               "xyz     b\n",
		"abc\x1b[10Gd\n":            "abc      d\n",
		"ab\x1b[3Cd\n":              "ab   d\n",
		"abcdef\x1b[4D\x1b[2Px\n":   "abxf\n",
		"abc\x1b[2D\x1b[2@x\n":      "ax bc\n",
		"abcdef\r\x1b[3X\n":         "   def\n",
		"abcdef\x1b[3D\x1b[1Kx\n":   "   xef\n",
		"\x1b]0;a title\x07text\n":  "text\n",
		"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\\n": "link\n",
		"\x1bP1$r0m\x1b\\text\n":                      "text\n",
		"\x1b(Btext\x1b=\x1b>\x1b7\x1b8\n":            "text\n",
		"\x1b[?25l\x1b[?2004htext\x1b[>c\n":           "text\n",
		"a\n\x1b[?1049hb\n\x1b[5Hc\x1b[?1049ld\n":     "a\nd\n",
		"a\x1b[?47hb\x1bcd\n":                         "ad\n",
		"\x1b[38;2;1;2;3mtext\x1b[m\n":                "text\n",
		"\u009b31mtext\n":                             "text\n",
		"\x1b[3\x18text\n":                            "text\n",
		"\x1b]0;never ended\n":                        "",
		"a\x00\x07\x7fb\n":                            "ab\n",
		"äöü €𝄞\n":                                    "äöü €𝄞\n",
		"漢字\rx\n":                                     "x 字\n",
		"漢字\b\bY\n":                                   "漢Y \n",
		"e\u0301\bx\n":                                "x\n",
		"👩\u200d🚀 ok\n":                               "👩\u200d🚀 ok\n",
		"\xff\xfe\n":                                  "\uFFFD\uFFFD\n",
		"cut \xe2\x82":                                "cut \uFFFD",
		"\x1b[999999999Cx\rstart\n":                   "start" + strings.Repeat(" ", defaultCols-6) + "x\n",
		"\x1b[999999999Gx\n":                          strings.Repeat(" ", defaultCols-1) + "x\n",
		"\x1bP\x07hidden\x1b\\text\n":                 "text\n",
		"\x1bk title\x1b\\text\n":                     "text\n",
		"one\x1bEtwo\u0085three\n":                    "one\ntwo\nthree\n",
		"one\x1b[5;3Htwo\x1b[Athree\n":                "one\n  two\n     three\n",
		"one\vtwo\n":                                  "one\ntwo\n",
	} {
		if got := resolve([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestResolverIsBounded(t *testing.T) {
	var longest, total int
	v := Resolver{Emit: func(line []byte, _ int64, whole bool) {
		longest, total = max(longest, len(line)), total+len(line)
	}}
	for range 100 {
		v.Write(bytes.Repeat([]byte("x"), 10_000))
	}
	if v.Finish(); longest > maxCells || total != 1_000_000 || cap(v.line) > 2*maxCells {
		t.Errorf("longest %d, total %d, capacity %d", longest, total, cap(v.line))
	}
}

// A reader that waits in the middle of a long line holds little of it, and loses none of it.
func TestResolverShrinks(t *testing.T) {
	var got strings.Builder
	v := To(&got)
	text := strings.Repeat("a long line ", 30_000)
	v.Write([]byte("\x1b[1m" + text[:100_001]))
	v.Shrink()
	if held := cap(v.line)*cellSize + cap(v.out); held > 2*maxKept {
		t.Errorf("%d bytes are held", held)
	}
	v.Write([]byte(text[100_001:]))
	if v.Finish(); got.String() != text {
		t.Errorf("got %d bytes, want %d", got.Len(), len(text))
	}
	short := To(&got)
	got.Reset()
	short.Write([]byte("10 %"))
	short.Shrink()
	short.Write([]byte("\r20 %\n"))
	if got.String() != "20 %\n" {
		t.Errorf("a short line became %q", got.String())
	}
}

func TestResolverOffsets(t *testing.T) {
	var got []int64
	v := Resolver{Emit: func(_ []byte, offset int64, _ bool) { got = append(got, offset) }}
	v.Write([]byte("a\r\n\xffb"))
	v.Write([]byte("\n\x1b[3"))
	v.Write([]byte("1mc\nd\ve\xe2"))
	v.Write([]byte("\x82\xac\n"))
	v.Write(bytes.Repeat([]byte("x"), maxCells+1))
	v.Finish()
	want := []int64{3, 6, 13, 15, 20, 20 + maxCells, 20 + maxCells + 1}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("offsets = %v, want %v", got, want)
		}
	}
}

// FuzzResolver cuts the input everywhere. The text must be the same as in one piece, valid,
// free of control characters, and equal to the input if the input is plain text.
func FuzzResolver(f *testing.F) {
	f.Add([]byte("a\r\x1b[Kb\x1b[3Cc\b\x1b[2P漢字\rx\ty\n\x1b]0;t\x07"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		var pieces [][]byte
		for at := 0; at < len(in); at += int(step) + 1 {
			pieces = append(pieces, in[at:min(at+int(step)+1, len(in))])
		}
		whole, cut := resolve(in), resolve(pieces...)
		if whole != cut {
			t.Fatalf("whole %q, in pieces %q", whole, cut)
		}
		if !utf8.ValidString(whole) {
			t.Fatalf("%q is not valid", whole)
		}
		for _, r := range whole {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("%q holds %q", whole, r)
			}
		}
		plain := true
		for _, line := range bytes.Split(in, []byte("\n")) {
			plain = plain && isPlain(line)
		}
		if plain && whole != string(in) {
			t.Fatalf("%q became %q", in, whole)
		}
	})
}

func BenchmarkResolver(b *testing.B) {
	for name, line := range map[string]string{
		"plain":    "2026-01-02T03:04:05Z INFO  request served path=/index.html status=200 took=12ms\r\n",
		"coloured": "\x1b[2m2026-01-02T03:04:05Z\x1b[0m \x1b[32mINFO\x1b[0m request served \x1b[36mpath\x1b[0m=/index.html\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			v := Resolver{Emit: func([]byte, int64, bool) {}}
			p := []byte(strings.Repeat(line, 700))
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				v.Write(p)
			}
		})
	}
}
