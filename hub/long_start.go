package hub

import (
	"bytes"
	"iter"
	"slices"
	"sync"

	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
)

const (
	// maxCopied is how many bytes of lines a start holds a copy of. More lines than these stay in
	// the ring.
	maxCopied = 32 << 10
	// pieceBytes is how much output is quoted at a time. As JSON, it has six times as many bytes
	// at most.
	pieceBytes = 2 << 10
	// textBytes is how much a plain viewer gets in a message. Repaired, it has three times as many
	// bytes at most.
	textBytes = 16 << 10
)

// A longStart is a prelude with so many lines of output that they are not copied: each viewer quotes them as
// it sends them.
type longStart struct {
	prelude []byte
	lines   Lines
	picture []byte
	measure func() startSizes
}

// startSizes are sizes in bytes.
type startSizes struct {
	quoted   int // all parts as JSON
	from, to int // where the lines are in the drawn text
}

func newLongStart(prelude []byte, lines Lines, picture []byte) *longStart {
	s := &longStart{prelude: prelude, lines: lines, picture: picture}
	s.measure = sync.OnceValue(func() startSizes {
		sizes := startSizes{from: len(drawn(prelude)), quoted: len(NoPrelude)}
		sizes.to = sizes.from
		for piece := range drawnPieces(lines.Pieces(pieceBytes)) {
			sizes.to += len(piece)
		}
		var b []byte
		for piece := range drawnPieces(s.pieces()) {
			b = protocol.AppendQuoted(b[:0], piece)
			sizes.quoted += len(b)
		}
		return sizes
	})
	return s
}

// pieces returns what the terminal gets, in pieces. It stops early if the lines are gone.
func (s *longStart) pieces() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for piece := range slices.Chunk(s.prelude, pieceBytes) {
			if !yield(piece) {
				return
			}
		}
		end := s.lines.Offset
		for piece := range s.lines.Pieces(pieceBytes) {
			if end += int64(len(piece)); !yield(piece) {
				return
			}
		}
		if end < s.lines.end {
			return
		}
		for piece := range slices.Chunk(s.picture, pieceBytes) {
			if !yield(piece) {
				return
			}
		}
	}
}

// kept returns the event about the lines, with the position of e.
func (s *longStart) kept(e protocol.KeptEvent) *protocol.KeptEvent {
	sizes := s.measure()
	e.From, e.To = sizes.from, sizes.to
	return &e
}

// drawnPieces returns the drawn part of a text in pieces, none of which ends within a character.
func drawnPieces(text iter.Seq[[]byte]) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var cut []byte // the beginning of a character
		for piece := range text {
			p := piece
			if len(cut) > 0 {
				p = append(cut, piece...)
			}
			end := plaintext.Whole(p)
			cut = bytes.Clone(p[end:])
			if !yield(drawn(p[:end])) {
				return
			}
		}
	}
}

// sendLongStart is sendStart with a long start. It gives up a viewer that takes so long that the lines are
// gone: a message that has begun can't end early.
func (v *viewer) sendLongStart(e any, times []byte, s *longStart) Outcome {
	placing := protocol.Placing(e, times, nil)
	size := sizeOf(placing) + s.measure().quoted
	out := v.wire.stream(protocol.OpText, size, func(yield func([]byte) bool) {
		for _, part := range append(placing[:3:3], NoPrelude[:1]) {
			if !yield(part) {
				return
			}
		}
		var b []byte
		for piece := range drawnPieces(s.pieces()) {
			v.hub.inTurn(func() { b = protocol.AppendQuoted(b[:0], piece) })
			if !yield(b) {
				return
			}
		}
		yield(append(NoPrelude[:1:1], placing[4]...))
	})
	return v.counted(out, size)
}

// inTurn encodes a piece of a long start. Of many viewers that join at once, few are encoded for at a time: the others
// would keep live output from the processors.
func (h *Hub) inTurn(encode func()) {
	h.starts <- struct{}{}
	defer func() { <-h.starts }()
	encode()
}

// sendLongText sends a long start to a plain viewer, but no lines that are gone.
func (v *viewer) sendLongText(s *longStart) Outcome {
	if out := v.sendText(v.text.Decode(s.prelude)); out != Following {
		return out
	}
	for piece := range s.lines.Pieces(textBytes) {
		var text []byte
		v.hub.inTurn(func() { text = v.text.Decode(piece) })
		if out := v.sendText(text); out != Following {
			return out
		}
	}
	return v.sendText(v.text.Decode(s.picture))
}
