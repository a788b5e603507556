//go:build linux

package main

import (
	"bytes"
	"time"
)

// faults are lines that did not come as they were written, and viewers whose connection
// ended too early.
type faults struct {
	lost, doubled, disordered, damaged int
	dropped                            int
}

func (f *faults) add(g faults) {
	f.lost += g.lost
	f.doubled += g.doubled
	f.disordered += g.disordered
	f.damaged += g.damaged
	f.dropped += g.dropped
}

func (f faults) sum() int { return f.lost + f.doubled + f.disordered + f.damaged + f.dropped }

// A sample checks every line that one viewer gets.
type sample struct {
	texts texts
	timed int // number of the first line whose delay counts

	rest   []byte // of a line that has not ended
	seen   []bool // by number
	first  int    // number of the first line that came, or -1
	next   int    // one behind the highest number that came
	found  faults // but for those lost
	delays []time.Duration
}

func newSample(t texts, timed int) *sample {
	return &sample{texts: t, timed: timed, seen: make([]bool, t.len()), first: -1}
}

// take goes on with output that came at a time, in nanoseconds since 1970.
func (s *sample) take(p []byte, now int64) {
	s.rest = append(s.rest, p...)
	rest := s.rest
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			break
		}
		rest = after
		s.line(bytes.TrimSuffix(line, []byte("\r")), now)
	}
	s.rest = s.rest[:copy(s.rest, rest)]
}

func (s *sample) line(line []byte, now int64) {
	n, at, ok := s.texts.parse(line)
	if !ok {
		s.found.damaged++
		return
	}
	if s.first < 0 {
		s.first = n
	}
	switch {
	case s.seen[n]:
		s.found.doubled++
	case n < s.next:
		s.found.disordered++
	}
	s.seen[n] = true
	s.next = max(s.next, n+1)
	if n >= s.timed {
		s.delays = append(s.delays, time.Duration(now-at))
	}
}

// faults returns what is wrong with the lines from first up to end. A line of which
// only a part came, or which was damaged, is lost as well.
func (s *sample) faults(first, end int) faults {
	f := s.found
	for _, seen := range s.seen[first:end] {
		if !seen {
			f.lost++
		}
	}
	return f
}
