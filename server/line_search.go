package server

import (
	"context"
	"io"

	"wsrun/hub"
)

// A hit is a line that matches, or any other place at which a line begins.
type hit struct{ line, offset int64 }

// oldest returns the oldest line that viewers can reach.
func oldest(h *hub.Hub) hit {
	at := h.OldestPlace()
	return hit{at.Line, at.Offset}
}

// matchBytes is how much output is matched at a time at most: what a finder keeps of each line that doesn't match adds up.
const matchBytes = 64 << 10

// A lineSearch finds the lines of a stream that match a query's expression. It uses a turn for each buffer that it
// searches, and has none when its methods return.
type lineSearch struct {
	hub    *hub.Hub
	task   *task
	query  *query
	buffer []byte
	passed func(p []byte, missing int64) error // called after output was searched, or found to be missing; may be nil
}

// section searches from a line to an offset, and calls found with each line that matches. The error is that of passed, or
// context.Canceled if the client is gone.
func (s *lineSearch) section(from hit, to int64, found func(hit)) error {
	for from.offset < to {
		s.task.rest() // the history may have to be read
		_, at := s.hub.BeginNear(from.offset)
		finder := s.query.matcher.Find(from.offset, from.line, at.State.Alternate(), s.query.invert, func(line, offset int64) {
			found(hit{line, offset})
		})
		next, err := s.part(finder, from.offset, to)
		if err != nil {
			return err
		}
		finder.Finish()
		from = next
	}
	return nil
}

// part writes the output from one offset to another to a finder. If output is missing on the way, part returns where it
// continues.
func (s *lineSearch) part(finder io.Writer, from, to int64) (next hit, err error) {
	for from < to {
		n, at := s.hub.ReadAt(s.buffer[:min(to-from, int64(len(s.buffer)))], from)
		if n == 0 {
			if at.Offset <= from { // even that is gone
				at.Offset = to
			}
			return hit{at.Line, at.Offset}, s.pass(nil, at.Offset-from)
		}
		var failure error
		ok := s.task.inTurns(s.buffer[:n], matchBytes, s.query.matcher.Size(), func(piece []byte) {
			if failure == nil {
				finder.Write(piece)
				failure = s.pass(piece, 0)
			}
		})
		switch {
		case failure != nil:
			return hit{}, failure
		case !ok:
			return hit{}, context.Canceled
		}
		from += int64(n)
	}
	return hit{offset: to}, nil
}

// pass calls passed, if it is set.
func (s *lineSearch) pass(p []byte, missing int64) error {
	if s.passed == nil {
		return nil
	}
	return s.passed(p, missing)
}
