package server

import (
	"errors"
	"fmt"
	"math"
	"net/url"
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

// parseQuery parses a URL's query. Its errors are fit to be sent to the client.
func parseQuery(raw string) (query, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, fmt.Errorf("bad query %q: %w", raw, err)
	}
	q := query{Position: hub.Position{Lines: -1, Epoch: v.Get("epoch"), Offset: -1}, format: v.Get("format")}
	bad := func(name, want string) (query, error) {
		return query{}, fmt.Errorf("bad %s=%q: want %s", name, v.Get(name), want)
	}
	if n := v.Get("n"); n == "all" {
		q.Lines = allLines
	} else if n != "" {
		lines, err := strconv.ParseUint(n, 10, 31)
		if err != nil {
			return bad("n", "a number of lines or all")
		}
		q.Lines = int(lines)
	}
	var ok bool
	if q.follow, ok = parseSwitch(v.Get("tail"), false); !ok {
		return bad("tail", "1 or 0")
	}
	if q.deflate, ok = parseSwitch(v.Get("deflate"), true); !ok {
		return bad("deflate", "1 or 0")
	}
	invert, ok := parseSwitch(v.Get("invert"), false)
	if !ok {
		return bad("invert", "1 or 0")
	}
	if q.grep = v.Get("grep"); q.grep != "" {
		// Without an expression, invert must stay unset: it would make another view of
		// the file, which shows the same lines.
		q.invert = invert
	}
	if q.format != "" && q.format != "text" && q.format != "raw" {
		return bad("format", "text or raw")
	}
	if v.Has("offset") {
		if q.Offset, err = strconv.ParseInt(v.Get("offset"), 10, 64); err != nil || q.Offset < 0 {
			return bad("offset", "a number of bytes")
		}
		if q.Epoch == "" {
			return query{}, errors.New("an offset means nothing without its epoch")
		}
	}
	return q, nil
}

// parseSwitch parses the value of a switch, which is usual if it is empty; ok reports whether
// the value is valid.
func parseSwitch(value string, usual bool) (on, ok bool) {
	switch value {
	case "":
		return usual, true
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}
