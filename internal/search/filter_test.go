package search

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// verdicts returns the verdict on each line in the most obvious way.
func verdicts(lines [][]byte, o FilterOptions, re *regexp.Regexp) []Verdict {
	all := make([]Verdict, len(lines))
	begun, skip, most := o.From == nil, o.Skip, o.Most
	offset, first := int64(0), 0
	for i, l := range lines {
		if !begun && o.From(int64(i+1), offset) {
			begun, first = true, i
		}
		offset += int64(len(l))
		matches := re == nil || re.Match(bytes.TrimRight(l, "\r\n"))
		if !begun || re != nil && matches == o.Invert || most == 0 {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		all[i] = Wanted
		if most > 0 {
			most--
		}
	}
	for i := range all {
		if all[i] != Wanted && i >= first && begun {
			from, to := max(i-o.Context, 0), min(i+o.Context+1, len(all))
			if slices.Contains(all[from:to], Wanted) {
				all[i] = Context
			}
		}
	}
	return all
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte("one\ntwo\nthree\nfour\nfive\nsix"), "o", uint8(1), uint8(2), int8(-1), uint8(3), uint8(0), false)
	f.Add([]byte("one\ntwo\nthree\nfour\nfive\nsix\n"), "o", uint8(0), uint8(0), int8(2), uint8(1), uint8(1), true)
	f.Add([]byte("a\n\n\nb\na\n\nb\n\n\n\na"), "a", uint8(2), uint8(1), int8(1), uint8(7), uint8(2), false)
	f.Add([]byte("a\nb\nc\nd\n"), "", uint8(0), uint8(1), int8(2), uint8(1), uint8(3), false)
	f.Fuzz(func(t *testing.T, in []byte, expr string, around, skip uint8, most int8, size, from uint8, invert bool) {
		for _, c := range in {
			if c < ' ' && c != '\n' || c >= 0x7f {
				return // FuzzScanner covers what isn't plain text
			}
		}
		o := FilterOptions{Invert: invert, Context: int(around % 100), Skip: int64(skip), Most: max(int64(most), -1)}
		var re *regexp.Regexp
		if expr != "" {
			var err error
			if re, err = regexp.Compile(expr); err != nil {
				return
			}
			o.Matcher = New(re, 1)
		} else {
			o.Context = 0 // which queries don't have without an expression
		}
		if from > 0 {
			o.From = func(line, _ int64) bool { return line >= int64(from) }
		}
		lines := bytes.SplitAfter(in, []byte("\n"))
		if len(lines[len(lines)-1]) == 0 {
			lines = lines[:len(lines)-1]
		}
		want := verdicts(lines, o, re)
		got := make([]Verdict, 0, len(lines))
		var all []byte
		filter := o.Begin(0, 1, false, func(p []byte, v Verdict) {
			if v == Omitted {
				t.Error("context is omitted")
			}
			for range bytes.SplitAfter(bytes.TrimSuffix(p, newline), newline) {
				if len(all) == 0 || all[len(all)-1] == '\n' {
					got = append(got, v)
				} else if got[len(got)-1] != v {
					t.Errorf("a line has the verdicts %v and %v", got[len(got)-1], v)
				}
				n := lineEnd(p)
				all = append(all, p[:n]...)
				p = p[n:]
			}
		})
		for p := range slices.Chunk(in, int(size)+1) {
			filter.Write(p)
		}
		filter.Finish()
		if !bytes.Equal(all, in) {
			t.Fatalf("passed on %q of %q", all, in)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, %q, %+v: %v, want %v", in, expr, fmt.Sprint(o.Context, o.Skip, o.Most, from, invert), got, want)
		}
	})
}

// Context that is too long is cut, which is reported.
func TestFilterOmitsContext(t *testing.T) {
	o := FilterOptions{Matcher: New(regexp.MustCompile("^match$"), 1), Context: 99, Most: -1}
	var said []string
	var f *Filter
	f = o.Begin(0, 1, false, func(p []byte, v Verdict) {
		switch {
		case v == Omitted:
			said = append(said, fmt.Sprint(f.Omitted()))
		case v != Dropped:
			said = append(said, fmt.Sprint(bytes.Count(p, newline), " of verdict ", v))
		}
	})
	for range 150 {
		fmt.Fprintf(f, "%01000d\n", 0)
	}
	fmt.Fprint(f, "match\nafter\n", string(make([]byte, 2<<20)), "\nmatch\n")
	f.Finish()
	want := []string{"34 85085 86", "65 of verdict 2", "1 of verdict 1", "1 of verdict 2"}
	if !slices.Equal(said[:min(4, len(said))], want) {
		t.Errorf("%q", said)
	}
}

// What is held for lines that are awaited, or not wanted, has a limit.
func TestFilterHoldsLittle(t *testing.T) {
	o := FilterOptions{Matcher: New(regexp.MustCompile("x"), 1), Most: -1, From: func(int64, int64) bool { return false }}
	f := o.Begin(0, 1, false, func([]byte, Verdict) {})
	for range 1000 {
		f.Write(bytes.Repeat([]byte("x\n"), 1000))
	}
	if len(f.hits) > 0 || len(f.held) > 0 {
		t.Errorf("%d hits and %d bytes are held", len(f.hits), len(f.held))
	}
}

// After Finish, as for an event within a line, offsets still are those of the lines.
func TestFinishWithinALine(t *testing.T) {
	o := FilterOptions{Matcher: New(regexp.MustCompile("x"), 1), Most: -1}
	var wanted []byte
	f := o.Begin(0, 1, false, func(p []byte, v Verdict) {
		if v == Wanted {
			wanted = append(wanted, p...)
		}
	})
	f.Write([]byte("abcdefgh"))
	f.Finish()
	f.Write([]byte("n1 x\nn2\nn3 x\nn4\nn5\nn6 x\n"))
	f.Finish()
	if string(wanted) != "n1 x\nn3 x\nn6 x\n" {
		t.Errorf("%q", wanted)
	}
}

// A line that is longer than a filter holds is judged by what is known of it, with its whole rest.
func TestFilterJudgesLongLines(t *testing.T) {
	long := "KEY" + string(bytes.Repeat([]byte("x"), 3<<20)) + "\n"
	for _, context := range []int{0, 1} {
		o := FilterOptions{Matcher: New(regexp.MustCompile("KEY"), 1), Invert: true, Context: context, Most: -1}
		var wanted []byte
		f := o.Begin(0, 1, false, func(p []byte, v Verdict) {
			if v == Wanted {
				wanted = append(wanted, p...)
			}
		})
		for p := range slices.Chunk([]byte("KEY a\n"+long+"KEY b\nKEY c\nend\n"), 10_000) {
			f.Write(p)
		}
		if f.Finish(); string(wanted) != "end\n" {
			t.Errorf("context=%d: %d bytes", context, len(wanted))
		}
	}
}
