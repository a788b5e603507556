package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"wsrun/hub"
)

const (
	// maxHits is how many hits are listed. The others are counted.
	maxHits = 10_000
	// progressTime is how often a search says how far it has come.
	progressTime = 200 * time.Millisecond
	// sectionBytes is about how much output is searched at once, in bytes.
	sectionBytes = 2 << 20
	// readBytes is how much output is read at a time, and searched in a turn, in bytes.
	readBytes = 512 << 10
	// maxSearchers is how many sections are searched at once at most, and searcherHeld about how much each holds in
	// memory, in bytes.
	maxSearchers = 3
	searcherHeld = 2 << 20
)

// A searchResponse sends the hits of a search.
type searchResponse struct {
	*bufio.Writer
	hub    *hub.Hub
	task   *task
	query  *query
	panics *hub.Panics
	flush  func() error
	ticker *time.Ticker // for the progress

	hits, lines int64 // of the sections that were searched
	progress    searchProgress
	of          int64 // how many bytes are searched
}

// searchers returns how many sections are searched at once: as many as may use a processor.
func (g *gate) searchers() int { return min(cap(g.turns), maxSearchers) }

// serveHits responds with the places of the lines that match an expression.
func (s *Server) serveHits(w taskResponse, r *http.Request, stream Stream, q *query) {
	session, h := s.enter(r.Context(), w, r, stream, q)
	if h == nil {
		return
	}
	defer session.End(hub.Left)
	if w.task.rest(); q.Offset >= 0 && h.Seek(q.Position).At == 0 {
		s.refuse(w, r, gone(hub.ErrGone.Error()))
		return
	}
	w.Header().Set("Content-Type", q.contentType())
	response := searchResponse{
		Writer: bufio.NewWriter(session.Counting(w)), flush: http.NewResponseController(w).Flush,
		hub: h, task: w.task, query: q, panics: s.o.Panics, ticker: time.NewTicker(progressTime),
	}
	defer response.ticker.Stop()
	if response.run(r.Context()) != nil {
		abandon()
	}
}

// run searches. The error is of the client's connection.
func (s *searchResponse) run(ctx context.Context) error {
	from, to := s.bounds()
	s.of = max(to-from.offset, 0)
	sections := s.downwards(from, to)
	if s.query.back {
		sections = s.upwards(from, to)
	}
	if err := s.searchAll(ctx, sections); err != nil {
		return err
	}
	fmt.Fprintf(s, `{"done":{"hits":%d,"lines":%d}}`+"\n", s.hits, s.lines)
	return s.Writer.Flush()
}

// bounds returns the first line that is searched, and the offset at which the search ends.
func (s *searchResponse) bounds() (from hit, to int64) {
	h := s.hub
	s.task.rest() // the history may have to be read
	from, to = oldest(h), h.Stream.Stats().End
	at := hub.Sought{Position: hub.Position{Offset: to}}
	asked := s.query.places() || s.query.Offset >= 0
	if asked {
		at = h.Seek(s.query.Position)
	}
	to = min(to, h.RunEnd(at.Offset))
	if run := h.RunAt(at.Offset); run.From > from.offset { // lines of others have other numbers
		from = hit{run.Begin.Line, run.From}
	}
	if !asked {
		return from, to
	}
	switch {
	case !s.query.back:
		return hit{at.At, at.Offset}, to
	case at.Ahead:
		return from, to
	case s.query.Line > 0 && at.At > s.query.Line: // what is above is gone
		return from, from.offset
	}
	return from, h.Seek(hub.Position{Offset: -1, Line: at.At + 1}).Offset // after the line
}

// downwards returns the sections from a line to an offset.
func (s *searchResponse) downwards(from hit, to int64) iter.Seq2[hit, int64] {
	return func(yield func(hit, int64) bool) {
		for from.offset < to {
			next := hit{offset: to}
			for at := from.offset + sectionBytes; at < to; at += sectionBytes {
				place, ok := s.hub.SectionFrom(at)
				if at = max(at, place.Offset); ok && at < to {
					next = hit{place.Line, place.Offset}
					break
				}
			}
			if !yield(from, next.offset) {
				return
			}
			from = next
		}
	}
}

// upwards returns the sections from an offset to a line above.
func (s *searchResponse) upwards(from hit, to int64) iter.Seq2[hit, int64] {
	return func(yield func(hit, int64) bool) {
		for to > from.offset {
			first := from
			// Each look at a long line passes all of its rest.
			for size := int64(sectionBytes); to-size > from.offset; size *= 2 {
				at := to - size
				if place, ok := s.hub.SectionFrom(at); ok && place.Offset < to {
					first = hit{place.Line, place.Offset}
					break
				}
			}
			if !yield(first, to) {
				return
			}
			to = first.offset
		}
	}
}

// searchAll searches several sections at once, and sends their hits in the order of the sections. The error is of the
// client's connection.
func (s *searchResponse) searchAll(ctx context.Context, sections iter.Seq2[hit, int64]) error {
	ctx, stop := context.WithCancel(ctx)
	next, end := iter.Pull2(sections)
	defer end()
	var idle, busy []*searcher
	for range s.task.gate.searchers() {
		idle = append(idle, s.newSearcher(ctx))
	}
	defer func() {
		stop()
		for _, b := range busy {
			<-b.done
		}
	}()
	for {
		s.task.rest() // the history may have to be read, and the searchers need turns
		for len(idle) > 0 {
			from, to, ok := next()
			if !ok {
				break
			}
			idle[0].start(from, to)
			busy, idle = append(busy, idle[0]), idle[1:]
		}
		if len(busy) == 0 || s.full() {
			return nil
		}
		if err := s.await(busy[0]); err != nil {
			return err
		}
		busy, idle = busy[1:], append(idle, busy[0])
	}
}

// await waits for a searcher, and sends its hits.
func (s *searchResponse) await(b *searcher) error {
	for {
		select {
		case <-s.ticker.C:
			if err := s.report(); err != nil {
				return err
			}
			continue
		case <-b.done:
		}
		if b.err != nil {
			return b.err
		}
		if s.query.back {
			slices.Reverse(b.hits)
		}
		for _, h := range b.hits {
			s.found(h)
		}
		s.hits = s.limited(s.hits + b.more)
		if s.lines += b.lines; b.within {
			s.lines++
		}
		return nil
	}
}

// found counts a hit, and lists it if it is one of the first.
func (s *searchResponse) found(h hit) {
	if s.full() {
		return
	}
	if s.hits++; s.hits <= maxHits {
		run := s.hub.RunAt(h.offset)
		fmt.Fprintf(s, `{"hit":{"line":%d,"offset":%d}}`+"\n", run.Line(h.line), run.Offset(h.offset))
	}
}

// full reports whether there are as many hits as the query asks for.
func (s *searchResponse) full() bool {
	most := s.query.limit()
	return most >= 0 && s.hits >= most
}

// limited returns a number of hits, but at most as many as the query asks for.
func (s *searchResponse) limited(hits int64) int64 {
	if most := s.query.limit(); most >= 0 {
		return min(hits, most)
	}
	return hits
}

// report says how far the search has come.
func (s *searchResponse) report() error {
	fmt.Fprintf(s, `{"progress":{"bytes":%d,"of":%d,"hits":%d}}`+"\n", s.progress.bytes.Load(), s.of, s.limited(s.progress.hits.Load()))
	return errors.Join(s.Writer.Flush(), s.flush())
}
