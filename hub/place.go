package hub

import (
	"bytes"
	"unicode/utf8"

	"wsrun/broadcaster"
	"wsrun/internal/plaintext"
	"wsrun/screen"
)

// A Place is one in the output where a viewer can begin.
type Place struct {
	Offset int64
	State  screen.State // of the terminal
	Head   []byte       // of the control sequence that the place is within; mostly empty
}

// prelude puts a new terminal into the state at the place.
func (p Place) prelude() []byte { return append(p.State.Append(nil), p.Head...) }

// place returns the first place from an offset on that is outside of control
// sequences, but not behind most; or the beginning of the character that the offset
// is within. It is false if the output before that can't be read any more. mu must be
// held.
func (t *joinTracker) place(look *broadcaster.Snapshot, from, most int64) (Place, bool) {
	state, at := t.screen.StateAt(from)
	parts, _, ok := look.Range(at, most)
	if at > from || !ok {
		return Place{}, false
	}
	text := bytes.Join(parts, nil)
	n, head := state.ScanTo(text, int(from-at))
	var last plaintext.Decoder
	last.Decode(text[max(n-utf8.UTFMax, 0):n])
	cut := last.Pending()
	return Place{at + int64(n-cut), state, head[:max(len(head)-cut, 0)]}, true
}

// nearest is place for those who begin there whatever is known: if the output before
// can't be read any more, the state is the last one known. mu must be held.
func (t *joinTracker) nearest(look *broadcaster.Snapshot, from int64) Place {
	if at, ok := t.place(look, from, min(from+screenStep, look.Stats().End)); ok {
		return at
	}
	state, _ := t.screen.StateAt(from)
	return Place{Offset: from, State: state}
}
