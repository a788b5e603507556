package server

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/search"
)

// A query holds the parameters of a stream's URL (docs/protocol.md).
type query struct {
	hub.Position
	form    form
	follow  bool   // text only: keep sending output as it arrives (tail=1)
	format  string // one of formats, or ""
	epoch   string // of the run that the client knows
	grep    string // a regular expression, not yet compiled
	invert  bool   // with grep: the lines that don't match
	context int    // with grep: lines before and after each
	times   bool   // text only: each line begins with its time
	back    bool   // hits only: search upwards
	until   int64  // slices only: the time at which the slice ends, in ms since 1970; 0 if it has another end

	deflate bool // WebSockets only: compression is welcome; true by default

	matcher *search.Matcher // of grep, if the stream wasn't opened with that; otherwise nil
	ahead   bool            // the position names a line that has not begun
	cut     bool            // the position is a time, and output from then on may be gone
	counted bool            // the server has found the line to begin at, for the last lines that match
	end     int64           // with counted: the offset of the end of the output that was searched for them
	skip    int64           // lines that match and are left out first
	limited bool            // left is how many lines the query still asks for
	left    int64
}

// places reports whether the query asks for a line or time to begin at.
func (q *query) places() bool { return q.Line > 0 || q.Time > 0 }

// ownFilter reports whether the server finds the lines that the query asks for, rather than the stream.
func (q *query) ownFilter() bool {
	return q.places() || q.context > 0 || q.times || q.format == "ndjson" || q.format == "slice" || q.format == "hits"
}

// sections reports whether the query asks for a section of the output, or for what is in one.
func (q *query) sections() bool { return q.format == "slice" || q.format == "hits" }

// numbered reports whether an answer needs to know how many lines come before those that are in memory.
func (q *query) numbered(ring broadcaster.Stats) bool {
	return q.places() || q.Offset >= 0 || int64(q.Lines) > ring.Lines || q.format == "ndjson" || q.sections()
}

// limit returns how many lines the query asks for after its position; -1 for all.
func (q *query) limit() int64 {
	if q.limited {
		return q.left
	}
	if q.counted || !q.places() || q.Lines < 0 || q.Lines == allLines {
		return -1
	}
	return int64(q.Lines)
}

// join returns where and how a WebSocket viewer starts.
func (q *query) join(filter hub.NewFilter) hub.Join {
	p := q.Position
	if filter != nil {
		p = q.backlog()
	}
	return hub.Join{Position: p, Deflate: q.deflate, Filter: filter}
}

// allLines stands for n=all: more lines than any stream can hold.
const allLines = math.MaxInt32

// A parameter is one that a stream's query may have.
type parameter struct {
	name   string
	values []string // each has a row in costRows; without values and bits, any text is a value
	bits   int      // if not 0, numbers of so many bits are values, too
	least  uint64   // the smallest number
	most   uint64   // if not 0, the largest number
	filled bool     // an empty value isn't the same as none
	want   string   // what the values are, in words
	bad    string   // what an error says; if empty, that is made from want
}

// switchValues are the values of a parameter that is on or off, and formats those of format.
var (
	switchValues = []string{"1", "true", "0", "false"}
	formats      = []string{"text", "raw", "ndjson", "slice", "hits", "status"}
)

// maxContext is how many lines of context there may be on each side.
const maxContext = 99

// parameters are all parameters that parseQuery knows.
var parameters = []parameter{
	{name: "n", values: []string{"all"}, bits: 31, want: "a number of lines or all"},
	{name: "tail", values: switchValues, want: "1 or 0"},
	{name: "deflate", values: switchValues, want: "1 or 0"},
	{name: "grep"},
	{name: "invert", values: switchValues, want: "1 or 0"},
	{name: "context", bits: 31, most: maxContext, want: "a number of lines up to 99"},
	{name: "times", values: switchValues, want: "1 or 0"},
	{name: "back", values: switchValues, want: "1 or 0"},
	{name: "format", values: formats, want: "text, raw, ndjson, slice, hits or status"},
	{name: "epoch"},
	{name: "offset", bits: 63, filled: true, want: "a number of bytes"},
	{name: "from", bits: 63, least: 1, filled: true, bad: "from: expected a line number, starting at 1"},
	{name: "at", filled: true, bad: "at: " + errMoment.Error()},
	{name: "until", filled: true, bad: "until: " + errMoment.Error()},
}

// permits reports whether the parameter may have the value.
func (p parameter) permits(given string) bool {
	if given == "" {
		return !p.filled
	}
	if p.bits > 0 {
		if n, err := strconv.ParseUint(given, 10, p.bits); err == nil {
			return n >= p.least && (p.most == 0 || n <= p.most)
		}
	}
	return slices.Contains(p.values, given) || p.bits == 0 && p.values == nil
}

// problem returns the error of a value that the parameter doesn't permit.
func (p parameter) problem(given string) error {
	if p.bad != "" {
		return errors.New(p.bad)
	}
	return fmt.Errorf("bad %s=%q: want %s", p.name, given, p.want)
}

// parseQuery parses a URL's query. Its errors are fit to be sent to the client.
func parseQuery(raw string) (query, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, fmt.Errorf("bad query %q: %w", raw, err)
	}
	for _, p := range parameters {
		if given := v.Get(p.name); v.Has(p.name) && !p.permits(given) {
			return query{}, p.problem(given)
		}
	}
	q := query{
		epoch: v.Get("epoch"),
		Position: hub.Position{
			Lines: int(number(v.Get("n"))), Epoch: v.Get("epoch"), Offset: number(v.Get("offset")), Line: max(number(v.Get("from")), 0),
		},
		follow: isOn(v.Get("tail"), false), deflate: isOn(v.Get("deflate"), true), times: isOn(v.Get("times"), false),
		format: v.Get("format"), grep: v.Get("grep"),
	}
	if v.Get("n") == "all" {
		q.Lines = allLines
	}
	if q.grep != "" {
		// Without an expression, these must stay unset: they would make another view of
		// the file, which shows the same lines.
		q.invert, q.back = isOn(v.Get("invert"), false), isOn(v.Get("back"), false)
		q.context = int(max(number(v.Get("context")), 0))
	}
	if q.Time, err = moment(v, "at"); err == nil {
		q.until, err = moment(v, "until")
	}
	if err == nil {
		err = q.check()
	}
	if err != nil {
		return query{}, err
	}
	return q, nil
}

// moment returns the time that a parameter has, or 0.
func moment(v url.Values, name string) (int64, error) {
	if !v.Has(name) {
		return 0, nil
	}
	ms, err := parseMoment(v.Get(name), time.Now())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return ms, nil
}

// check checks what each parameter on its own can't show.
func (q *query) check() error {
	switch {
	case q.Line > 0 && q.Time > 0:
		return errors.New("from and at: expected only one of the two")
	case q.places() && q.Offset >= 0:
		return errors.New("offset: expected neither from nor at with it")
	case q.Offset >= 0 && q.Epoch == "":
		return errors.New("an offset means nothing without its epoch")
	case q.format == "hits" && q.grep == "":
		return errors.New("format=hits: expected an expression in grep")
	case q.format == "slice":
		return q.checkSlice()
	}
	return nil
}

// maxSliceLines is how many lines a slice may have.
const maxSliceLines = 10_000

// checkSlice is check for a slice.
func (q *query) checkSlice() error {
	switch {
	case !q.places() && q.Offset < 0:
		return errors.New("format=slice: expected from, at, or epoch and offset")
	case q.Lines > maxSliceLines: // or all
		return fmt.Errorf("format=slice: expected n to be at most %d", maxSliceLines)
	case q.Lines >= 0 && q.until > 0:
		return errors.New("format=slice: expected only one of n and until")
	}
	return nil
}

// number returns the number that a value stands for, or -1 if it isn't one.
func number(given string) int64 {
	n, err := strconv.ParseInt(given, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// isOn returns what a switch's value says, which is usual if there is none.
func isOn(given string, usual bool) bool {
	if given == "" {
		return usual
	}
	return given == "1" || given == "true"
}
