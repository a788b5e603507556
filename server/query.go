package server

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"

	"wsrun/hub"
)

// A query is what a URL says about the stream's form.
type query struct {
	hub.Position
	follow bool   // text only: go on with what comes
	format string // "", "text" or "raw"
	grep   string // files only: an expression, not compiled yet
	invert bool   // with grep: the other lines

	deflate bool // WebSockets only: unless told not to
}

// join returns where and how a WebSocket begins.
func (q query) join() hub.Join { return hub.Join{Position: q.Position, Deflate: q.deflate} }

// allLines is a number of lines that nothing has.
const allLines = math.MaxInt32

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
	switch v.Get("tail") {
	case "", "0", "false":
	case "1", "true":
		q.follow = true
	default:
		return bad("tail", "1 or 0")
	}
	switch v.Get("deflate") {
	case "", "1", "true":
		q.deflate = true
	case "0", "false":
	default:
		return bad("deflate", "1 or 0")
	}
	invert := false
	switch v.Get("invert") {
	case "", "0", "false":
	case "1", "true":
		invert = true
	default:
		return bad("invert", "1 or 0")
	}
	if q.grep = v.Get("grep"); q.grep != "" { // without an expression there is nothing to invert
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
