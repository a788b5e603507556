//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
)

// A contender is what a row measures: a server, or another way to use one.
type contender struct {
	name string
	run  func(context.Context) (figures, error)
}

// A comparison says how the first contender's figure is reported.
type comparison int

const (
	alone   comparison = iota // as it is
	ratio                     // divided by the second contender's
	surplus                   // minus the second contender's
)

// A goal is a figure of a row's first contender, and its limit.
type goal struct {
	figure, unit string
	as           comparison
	worst        bool    // the worst of all runs, instead of the median
	bound        string  // "≤", "≥", or "" if it is only reported
	limit        float64 // in the unit, or the ratio
}

// A row measures its contenders in turn, several times.
type row struct {
	number     int
	work       string
	viewers    int // 0 except in the rows that show how the cost grows
	times      int // how often it runs for each run asked for; 0 is once. Floods vary by half
	contenders []contender
	goals      []goal
}

// growth is the number of the rows that show how the cost grows with the number of viewers.
const growth = 11

// whole returns the goal of rows in which all output must arrive exactly as it was written.
func whole() []goal { return []goal{{figure: "faults", worst: true, bound: "≤"}} }

// rows returns the rows of the table, in order.
func rows(p programs) []row {
	all := slices.Concat(p.fanRows(), p.floodRows(), p.joinRows(), p.variantRows(), p.growthRows())
	slices.SortStableFunc(all, func(a, b row) int { return a.number - b.number })
	return all
}

// wsrunWith returns a contender of that name: wsrun under the load f.
func (p programs) wsrunWith(name string, f fan) contender {
	return contender{name, func(ctx context.Context) (figures, error) {
		return f.run(ctx, func(ctx context.Context) (*server, error) { return p.startWsrun(ctx) })
	}}
}

// beside returns wsrun and rawfan under the load f.
func (p programs) beside(f fan) []contender {
	return []contender{
		p.wsrunWith("wsrun", f),
		{"rawfan", func(ctx context.Context) (figures, error) { return f.run(ctx, p.startRawfan) }},
	}
}

// besideBoth is beside with websocketd as well, if that is installed.
func (p programs) besideBoth(f fan) []contender {
	c := p.beside(f)
	if p.websocketd != "" {
		c = append(c, contender{"websocketd", func(ctx context.Context) (figures, error) { return f.run(ctx, p.startWebsocketd) }})
	}
	return c
}

// busy is the load of row 1. Other rows are variants of it.
func busy() fan { return fan{viewers: 1000, rate: 100, lines: 500} }

// fanRows returns the rows with lines at a steady rate.
func (p programs) fanRows() []row {
	small := fan{viewers: 200, rate: 200, lines: 1000}
	large := fan{viewers: 10_000, rate: 10, lines: 100}
	idle := fan{viewers: 1, rate: 10, lines: 100}
	return []row{
		{number: 1, work: "1,000 viewers, 100 lines/s of 100 bytes, 5 s", contenders: p.besideBoth(busy()), goals: append(whole(),
			goal{figure: "cpu", unit: "s", as: ratio, bound: "≤", limit: 0.9},
			goal{figure: "p99", unit: "ms", bound: "≤", limit: 40})},
		{number: 2, work: "200 viewers, 200 lines/s, 5 s", contenders: p.besideBoth(small), goals: append(whole(),
			goal{figure: "cpu", unit: "s", as: ratio, bound: "≤", limit: 0.55},
			goal{figure: "p99", unit: "ms", bound: "≤", limit: 25})},
		{number: 3, work: "10,000 viewers, 10 lines/s, 10 s", contenders: p.beside(large), goals: append(whole(),
			goal{figure: "p99", unit: "ms", bound: "≤", limit: 250},
			goal{figure: "cpu", unit: "s", as: ratio, bound: "≤", limit: 1.1},
			goal{figure: "rss", unit: "KiB a viewer", bound: "≤", limit: 24})},
		{number: 6, work: "a line every 100 ms for 10 s, 1 viewer", contenders: p.beside(idle), goals: append(whole(),
			goal{figure: "p50", unit: "ms", as: surplus, bound: "≤", limit: 0.2},
			goal{figure: "p99", unit: "ms", as: surplus, bound: "≤", limit: 2})},
	}
}

// floodRows returns the rows with all lines at once.
func (p programs) floodRows() []row {
	flooded := func(name string, viewers int, flags ...string) contender {
		return contender{name, func(ctx context.Context) (figures, error) { return flood(ctx, p, viewers, flags) }}
	}
	return []row{
		{number: 4, times: 9, work: "200,000 lines as a flood, 1 viewer", contenders: []contender{
			flooded("wsrun", 1, wholeRing...), {"bare loop", floodBare}}, goals: append(whole(),
			goal{figure: "speed", unit: "MB/s", as: ratio, bound: "≥", limit: 0.85})},
		{number: 5, times: 3, work: "the same flood, 50 viewers", contenders: []contender{
			flooded("50 viewers", 50, wholeRing...), flooded("1 viewer", 1, wholeRing...)}, goals: append(whole(),
			goal{figure: "wall", unit: "s", as: ratio, bound: "≤", limit: 2})},
		{number: 12, times: 3, work: "the same flood, 50 viewers, the default ring and history", contenders: []contender{
			flooded("50 viewers", 50), flooded("1 viewer", 1)}, goals: append(whole(),
			goal{figure: "wall", unit: "s", as: ratio, bound: "≤", limit: 1.8})},
	}
}

// joinRows returns the rows for many viewers that join at once and for the first response.
func (p programs) joinRows() []row {
	return []row{
		{number: 7, work: "1,000 viewers join at once, backlog of 10,000 lines in 2,500 chunks", contenders: []contender{
			{"wsrun", func(ctx context.Context) (figures, error) { return join(ctx, p) }}}, goals: append(whole(),
			goal{figure: "wall", unit: "s", bound: "≤", limit: 4},
			goal{figure: "grown", unit: "MiB", bound: "≤", limit: 60},
			goal{figure: "max", unit: "ms", bound: "≤", limit: 100})},
		{number: 10, work: "binary, start to the first answer", contenders: []contender{
			{"wsrun", func(ctx context.Context) (figures, error) { return startup(ctx, p) }}}, goals: []goal{
			{figure: "size", unit: "MB", bound: "≤", limit: 15},
			{figure: "start", unit: "ms", bound: "≤", limit: 30}}},
	}
}

// variantRows returns the rows that compare a variant of row 1 with row 1.
func (p programs) variantRows() []row {
	packed, ahead := busy(), busy()
	packed.deflate, ahead.ahead = true, 7000
	stuck := ahead
	stuck.stopped = 100
	return []row{
		{number: 8, work: "1 with permessage-deflate", contenders: []contender{
			p.wsrunWith("deflate", packed), p.wsrunWith("plain", busy())}, goals: append(whole(),
			goal{figure: "wire", unit: "bytes", as: ratio, bound: "≤", limit: 1.0 / 3},
			goal{figure: "cpu", unit: "s", as: ratio, bound: "≤", limit: 1.3})},
		{number: 9, work: "1, but 100 viewers read nothing", contenders: []contender{
			p.wsrunWith("100 stopped", stuck), p.wsrunWith("all read", ahead)}, goals: append(whole(),
			goal{figure: "p99", unit: "ms", as: ratio, bound: "≤", limit: 1.5})},
		{number: 13, work: "1, while 8 clients search 2 GiB of earlier output", contenders: []contender{
			p.searched("8 searches", 8), p.searched("none", 0)}, goals: append(whole(),
			goal{figure: "p99", unit: "ms", as: ratio, bound: "≤", limit: 2})},
	}
}

// searched returns wsrun under the load of row 1, with so many searches.
func (p programs) searched(name string, searches int) contender {
	f := busy()
	f.earlier, f.searches = 2<<30, searches
	return contender{name, func(ctx context.Context) (figures, error) {
		return f.run(ctx, func(ctx context.Context) (*server, error) {
			s, err := p.startWsrun(ctx, "--history", "3GiB")
			if err == nil {
				s.form.query = "?n=0"
			}
			return s, err
		})
	}}
}

// growthRows returns the rows that show how the cost grows with the number of viewers.
func (p programs) growthRows() (all []row) {
	for _, viewers := range []int{1, 10, 100, 1000, 10_000} {
		f := fan{viewers: viewers, rate: 10, lines: 50}
		all = append(all, row{number: growth, work: fmt.Sprintf("viewers: %d, 10 lines/s, 5 s", viewers), viewers: viewers,
			contenders: p.beside(f), goals: []goal{
				{figure: "chunk", unit: "µs a viewer and chunk"},
				{figure: "rss", unit: "KiB a viewer"}}})
	}
	return all
}
