package server

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"wsrun/hub"
)

// A searcher searches sections of a stream, one after the other, beside other searchers.
type searcher struct {
	lineSearch
	panics   *hub.Panics
	progress *searchProgress
	upwards  bool  // the last hits are kept, rather than the first
	most     int64 // how many hits are enough; -1 for all

	done chan struct{} // closed when the section is searched, and what follows is set
	searched
	err error
}

// searched is what a section has.
type searched struct {
	hits   []hit // some of them, downwards
	more   int64 // how many others there are
	lines  int64
	within bool // the last line has no newline
}

// searchProgress is how far several searchers have come. Its methods may be called concurrently.
type searchProgress struct{ bytes, hits atomic.Int64 }

// errSearchPanicked is the error of a section in which there was a panic.
var errSearchPanicked = errors.New("there was a panic")

// start begins to search a section. The caller must wait for done before it uses anything else of s.
func (s *searcher) start(from hit, to int64) {
	s.done, s.searched, s.err = make(chan struct{}), searched{hits: s.hits[:0]}, nil
	go s.search(from, to)
}

// search searches a section.
func (s *searcher) search(from hit, to int64) {
	defer close(s.done)
	defer s.panics.Contain("search", func() { s.err = errSearchPanicked })
	defer s.task.rest()
	if s.err = s.section(from, to, s.found); s.err == errDone {
		s.err = nil
	}
}

// found keeps a hit, or counts it.
func (s *searcher) found(h hit) {
	s.progress.hits.Add(1)
	switch {
	case len(s.hits) < maxHits || s.upwards && len(s.hits) < 2*maxHits:
	case s.upwards:
		s.hits = append(s.hits[:0], s.hits[maxHits:]...)
		s.more += maxHits
	default:
		s.more++
		return
	}
	s.hits = append(s.hits, h)
}

// count is [lineSearch.passed].
func (s *searcher) count(p []byte, missing int64) error {
	s.progress.bytes.Add(int64(len(p)) + missing)
	s.lines += int64(bytes.Count(p, []byte("\n")))
	if len(p) > 0 {
		s.within = p[len(p)-1] != '\n'
	}
	if s.most >= 0 && int64(len(s.hits)) >= s.most && !s.upwards {
		return errDone
	}
	return nil
}

// newSearcher returns a searcher that stops when ctx is done.
func (s *searchResponse) newSearcher(ctx context.Context) *searcher {
	r := &searcher{panics: s.panics, progress: &s.progress, upwards: s.query.back, most: s.query.limit()}
	t := &task{gate: s.task.gate, done: ctx.Done()}
	r.lineSearch = lineSearch{hub: s.hub, task: t, query: s.query, buffer: make([]byte, readBytes), passed: r.count}
	return r
}
