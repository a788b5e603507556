//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// A line is its number, a blank, the time of its writing in microseconds since 1970, a
// blank, a text and a newline.
const (
	lineBytes   = 100
	numberBytes = 10
	stampBytes  = 16
	textStart   = numberBytes + 1 + stampBytes + 1
	textBytes   = lineBytes - textStart - 1
)

// texts are those of numbered lines, from 0, one behind the other.
type texts []byte

// makeTexts returns n texts as a web server's log has them, always the same.
func makeTexts(n int) texts {
	r := rand.New(rand.NewPCG(1, 2))
	methods := []string{"GET", "GET", "GET", "GET", "HEAD", "POST"}
	paths := []string{"/", "/index.html", "/static/app.%d.js", "/static/style.css", "/api/v1/orders/%d", "/api/v1/users/%d/cart",
		"/search?q=%d", "/healthz", "/img/product/%d.webp", "/login"}
	statuses := []int{200, 200, 200, 200, 200, 200, 204, 304, 304, 404, 500}
	agents := []string{"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5)", "curl/8.14.1", "Go-http-client/2.0"}
	t := make(texts, 0, n*textBytes)
	for range n {
		path := paths[r.IntN(len(paths))]
		if bytes.ContainsRune([]byte(path), '%') {
			path = fmt.Sprintf(path, r.IntN(100_000))
		}
		client := r.ExpFloat64() * 40 // few ask often, many seldom
		text := fmt.Sprintf("10.20.%d.%d %s %s %d %d %dms %s", int(client)%8, int(client)%250, methods[r.IntN(len(methods))], path,
			statuses[r.IntN(len(statuses))], 200+r.IntN(40_000), int(r.ExpFloat64()*20), agents[r.IntN(len(agents))])
		t = fmt.Appendf(t, "%-*.*s", textBytes, textBytes, text)
	}
	return t
}

func (t texts) text(n int) []byte { return t[n*textBytes:][:textBytes] }

func (t texts) len() int { return len(t) / textBytes }

// line appends line n, as written at a time, to p.
func (t texts) line(p []byte, n int, at time.Time) []byte {
	p = fmt.Appendf(p, "%0*d %0*d ", numberBytes, n, stampBytes, at.UnixMicro())
	return append(append(p, t.text(n)...), '\n')
}

// lines returns the first n lines, as written at a time.
func (t texts) lines(n int, at time.Time) []byte {
	p := make([]byte, 0, n*lineBytes)
	for i := range n {
		p = t.line(p, i, at)
	}
	return p
}

// parse returns a line's number and its time of writing, in nanoseconds. The line is
// without its end. It is ok only if its text is that of its number.
func (t texts) parse(line []byte) (n int, at int64, ok bool) {
	if len(line) != lineBytes-1 {
		return 0, 0, false
	}
	n, err := strconv.Atoi(string(line[:numberBytes]))
	at, err2 := strconv.ParseInt(string(line[numberBytes+1:textStart-1]), 10, 64)
	if err != nil || err2 != nil || n < 0 || n >= t.len() || !bytes.Equal(line[textStart:], t.text(n)) {
		return 0, 0, false
	}
	return n, at * int64(time.Microsecond), true
}

// pace writes the lines from first up to end, a second's worth of rate in a second, each
// by a write of its own. One that is late does not make the next ones late. It
// returns the number behind the last line written; ctx ends it early, without an error.
func (t texts) pace(ctx context.Context, w io.Writer, first, end, rate int) (int, error) {
	var p []byte
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := first; n < end; n++ {
		timer.Reset(time.Until(begin.Add(time.Duration(n-first) * time.Second / time.Duration(rate))))
		select {
		case <-ctx.Done():
			return n, nil
		case <-timer.C:
		}
		p = t.line(p[:0], n, time.Now())
		if _, err := w.Write(p); err != nil {
			return n, fmt.Errorf("write line %d: %w", n, err)
		}
	}
	return end, nil
}
