package server

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"

	"wsrun/hub"
)

// A query holds the parameters of a stream's URL (docs/protocol.md).
type query struct {
	hub.Position
	form   form
	follow bool   // text only: keep sending output as it arrives (tail=1)
	format string // "", "text" or "raw"
	grep   string // files only: a regular expression, not yet compiled
	invert bool   // with grep: the lines that don't match

	deflate bool // WebSockets only: compression is welcome; true by default
}

// join returns where and how a WebSocket viewer starts.
func (q query) join() hub.Join { return hub.Join{Position: q.Position, Deflate: q.deflate} }

// allLines stands for n=all: more lines than any stream can hold.
const allLines = math.MaxInt32

// A parameter is one that a stream's query may have.
type parameter struct {
	name   string
	values []string // each has a row in costRows; without values and bits, any text is a value
	bits   int      // if not 0, numbers of so many bits are values, too
	filled bool     // an empty value isn't the same as none
	want   string   // what the values are, in words
}

// switchValues are the values of a parameter that is on or off.
var switchValues = []string{"1", "true", "0", "false"}

// parameters are all parameters that parseQuery knows.
var parameters = []parameter{
	{name: "n", values: []string{"all"}, bits: 31, want: "a number of lines or all"},
	{name: "tail", values: switchValues, want: "1 or 0"},
	{name: "deflate", values: switchValues, want: "1 or 0"},
	{name: "grep"},
	{name: "invert", values: switchValues, want: "1 or 0"},
	{name: "format", values: []string{"text", "raw"}, want: "text or raw"},
	{name: "epoch"},
	{name: "offset", bits: 63, filled: true, want: "a number of bytes"},
}

// permits reports whether the parameter may have the value.
func (p parameter) permits(given string) bool {
	if given == "" {
		return !p.filled
	}
	if p.bits > 0 {
		if _, err := strconv.ParseUint(given, 10, p.bits); err == nil {
			return true
		}
	}
	return slices.Contains(p.values, given) || p.bits == 0 && p.values == nil
}

// parseQuery parses a URL's query. Its errors are fit to be sent to the client.
func parseQuery(raw string) (query, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, fmt.Errorf("bad query %q: %w", raw, err)
	}
	for _, p := range parameters {
		if given := v.Get(p.name); v.Has(p.name) && !p.permits(given) {
			return query{}, fmt.Errorf("bad %s=%q: want %s", p.name, given, p.want)
		}
	}
	q := query{
		Position: hub.Position{Lines: int(number(v.Get("n"))), Epoch: v.Get("epoch"), Offset: number(v.Get("offset"))},
		follow:   isOn(v.Get("tail"), false), deflate: isOn(v.Get("deflate"), true),
		format: v.Get("format"), grep: v.Get("grep"),
	}
	if v.Get("n") == "all" {
		q.Lines = allLines
	}
	if q.grep != "" {
		// Without an expression, invert must stay unset: it would make another view of
		// the file, which shows the same lines.
		q.invert = isOn(v.Get("invert"), false)
	}
	if q.Offset >= 0 && q.Epoch == "" {
		return query{}, errors.New("an offset means nothing without its epoch")
	}
	return q, nil
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
