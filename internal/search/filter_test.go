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

// A scanner and a filter agree on a line that is longer than what counts of it.
func TestLongLinesCountInPart(t *testing.T) {
	m := New(regexp.MustCompile("done$"), 1)
	for _, size := range []int{maxLine - 10, maxLine - 5, maxLine - 4, maxLine, maxLine + 1, 2 * maxLine} {
		line := slices.Concat(bytes.Repeat([]byte("x\r"), size/2), []byte("done\n"))
		text := slices.Concat([]byte("done\n"), line, []byte("not\nalso done\n"))
		var hits, wanted []int64
		scan := m.Scan(0, 1, false, func(line, _ int64) { hits = append(hits, line) })
		var f *Filter
		f = FilterOptions{Matcher: m, Most: -1}.Begin(0, 1, false, func(_ []byte, v Verdict) {
			if n := f.line + 1; v == Wanted && (len(wanted) == 0 || wanted[len(wanted)-1] != n) {
				wanted = append(wanted, n)
			}
		})
		for p := range slices.Chunk(text, 4<<10) {
			f.Write(p)
		}
		for p := range slices.Chunk(text, 100_000) {
			scan.Write(p)
		}
		f.Finish()
		scan.Finish()
		want := []int64{1, 2, 4}
		if len(line)-1 > maxLine {
			want = []int64{1, 4}
		}
		if !slices.Equal(hits, want) || !slices.Equal(wanted, want) {
			t.Errorf("with %d bytes: %v match, %v are passed on, want %v", len(line), hits, wanted, want)
		}
	}
}

// What comes before an event is not context of what comes after it, and isn't missing either.
func TestContextEndsAtAnEvent(t *testing.T) {
	o := FilterOptions{Matcher: New(regexp.MustCompile("x"), 1), Context: 2, Most: -1}
	var passed []byte
	f := o.Begin(0, 1, false, func(p []byte, v Verdict) {
		switch v {
		case Omitted:
			t.Error("context is missing")
		case Wanted, Context:
			passed = append(passed, p...)
		}
	})
	f.Write([]byte("a\nb\nc\n"))
	f.Finish()
	f.Write([]byte("d\nx\ne\n"))
	if f.Finish(); string(passed) != "d\nx\ne\n" {
		t.Errorf("%q", passed)
	}
}

// A room counts what is taken of it.
type room struct{ left, taken int64 }

func (r *room) TryAcquire(n int64) bool {
	if r.left < n {
		return false
	}
	r.left, r.taken = r.left-n, r.taken+n
	return true
}
func (r *room) Release(n int64) { r.left, r.taken = r.left+n, r.taken-n }

// Long lines need room. Without it, a line's beginning decides, and little is held. The room is always given back.
func TestFiltersShareRoom(t *testing.T) {
	for _, left := range []int64{0, maxLine} {
		r := &room{left: left}
		var wanted []byte
		f := FilterOptions{Matcher: New(regexp.MustCompile("key"), 1), Most: -1, Room: r}.Begin(0, 1, false, func(p []byte, v Verdict) {
			if v == Wanted {
				wanted = append(wanted, p...)
			}
		})
		early := "key" + string(bytes.Repeat([]byte("\x1b[m"), 50_000)) + "\n"
		late := string(bytes.Repeat([]byte("\x1b[m"), 50_000)) + "key\n"
		for p := range slices.Chunk([]byte(early+late+"key\n"+early[:100_000]), 1000) {
			f.Write(p)
			if most := freeHeld + 1000; len(f.held) > most && r.taken == 0 {
				t.Fatalf("%d bytes are held without room", len(f.held))
			}
		}
		f.Finish()
		want := early + late + "key\n" + early[:100_000]
		if left == 0 {
			want = early + "key\n" + early[:100_000]
		}
		if string(wanted) != want || r.taken != 0 {
			t.Errorf("with room for %d: %d bytes instead of %d, %d taken", left, len(wanted), len(want), r.taken)
		}
	}
}
