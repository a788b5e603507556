package hub

import (
	"bytes"
	"unicode/utf8"

	"wsrun/broadcaster"
	"wsrun/internal/plaintext"
	"wsrun/screen"
)

// A StartPoint is one in the output where a viewer can begin.
type StartPoint struct {
	Offset int64
	State  screen.State // of the terminal
	Head   []byte       // of the control sequence that the place is within; mostly empty
}

// prelude puts a new terminal into the state at the place.
func (p StartPoint) prelude() []byte { return append(p.State.Append(nil), p.Head...) }

// startPoint returns the first place from an offset on that is outside of control
// sequences, but not behind most; or the beginning of the character that the offset
// is within. It is false if the output before that can't be read any more. mu must be
// held.
func (t *joinTracker) startPoint(look *broadcaster.Snapshot, from, most int64) (StartPoint, bool) {
	state, at := t.screen.StateAt(from)
	parts, _, ok := look.Range(at, most)
	if at > from || !ok {
		return StartPoint{}, false
	}
	text := bytes.Join(parts, nil)
	n, head := state.ScanTo(text, int(from-at))
	var last plaintext.Decoder
	last.Decode(text[max(n-utf8.UTFMax, 0):n])
	cut := last.Pending()
	return StartPoint{at + int64(n-cut), state, head[:max(len(head)-cut, 0)]}, true
}

// nearestStartPoint is place for those who begin there whatever is known: if the output before
// can't be read any more, the state is the last one known. mu must be held.
func (t *joinTracker) nearestStartPoint(look *broadcaster.Snapshot, from int64) StartPoint {
	if at, ok := t.startPoint(look, from, min(from+screenStep, look.Stats().End)); ok {
		return at
	}
	state, _ := t.screen.StateAt(from)
	return StartPoint{Offset: from, State: state}
}
