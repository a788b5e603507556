package hub

import (
	"bytes"
	"slices"

	"wsrun/broadcaster"
	"wsrun/internal/plaintext"
	"wsrun/screen"
)

// A StartPoint is a point in the output where a viewer can begin: not inside a character, and
// inside a control sequence only with that sequence's Head.
type StartPoint struct {
	Offset int64        // of the first byte to send
	State  screen.State // the terminal's state there
	Head   []byte       // the part of a control sequence that lies before Offset; usually empty
}

// prelude returns what puts a new terminal into the state at the start point.
func (p StartPoint) prelude() []byte { return append(p.State.Append(nil), p.Head...) }

// startPoint returns the first point at or after the offset from that is outside of control
// sequences. If there is none up to the offset last, it returns from, or the beginning of the
// character that from is inside of. It reports whether the output that it needs could be read. mu
// must be held.
func (t *joinTracker) startPoint(ring *broadcaster.Snapshot, from, last int64) (StartPoint, bool) {
	state, at := t.screen.StateAt(from)
	parts, _, ok := ring.Range(at, last)
	if at > from || !ok {
		return StartPoint{}, false
	}
	text := bytes.Join(parts, nil)
	n, head := state.ScanTo(text, int(from-at))
	cut := n - plaintext.Whole(text[:n])
	return StartPoint{at + int64(n-cut), state, head[:max(len(head)-cut, 0)]}, true
}

// nearestStartPoint is startPoint for a viewer that has to begin at from in any case: if the output
// that startPoint needs is gone, the result has the last state that is known. mu must be held.
func (t *joinTracker) nearestStartPoint(ring *broadcaster.Snapshot, from int64) StartPoint {
	if at, ok := t.startPoint(ring, from, min(from+screenStep, ring.Stats().End)); ok {
		return at
	}
	state, _ := t.screen.StateAt(from)
	return StartPoint{Offset: from, State: state}
}

// exactPoint returns the start point at the offset, even inside of a character. If the output that it needs is gone, the
// result has the last state that is known. mu must be held.
func (t *joinTracker) exactPoint(ring *broadcaster.Snapshot, offset int64) StartPoint {
	state, at := t.screen.StateAt(offset)
	parts, _, ok := ring.Range(at, offset)
	if !ok {
		return StartPoint{Offset: offset, State: state}
	}
	var head []byte
	for _, part := range parts { // which are not joined, because many viewers may begin at once
		if len(head) > 0 {
			part = slices.Concat(head, part)
		}
		head = part[state.Scan(part):]
	}
	return StartPoint{offset, state, bytes.Clone(head)}
}
