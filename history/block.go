package history

import (
	"bytes"
	"encoding/binary"

	"wsrun/broadcaster"
	"wsrun/screen"
)

// blockSize is about how much output a block has, in bytes. A block begins outside of control sequences,
// and may therefore be half as long again, or more by the longest sequence that screen understands.
const blockSize = 64 << 10

// A block is a section of the output that is not stored yet, and what belongs to it.
type block struct {
	offset, line int64              // of the first byte; newlines before it
	begins       bool               // a line begins at offset
	size         broadcaster.Resize // in force at offset
	state        screen.State       // at offset
	latest       int64              // the greatest time in the blocks before, in ms
	fresh        bool               // the block before this one is not stored

	output  []byte
	scanned int          // the part of output after this is a control sequence that is not complete
	now     screen.State // at scanned

	times, events []byte              // encoded, up to scanned
	stamps        []broadcaster.Stamp // from scanned on
	placed        []broadcaster.Event // from scanned on
	last          broadcaster.Stamp   // the last one in times
	lastNumber    int64               // of the last event in events; 0 if there is none
	lastOffset    int64               // of that event; offset if there is none
	nowSize       broadcaster.Resize  // in force at scanned
	nowLatest     int64               // greatest time up to scanned, in ms
}

// begin makes b the block that begins with p, after nothing or after output that was lost.
func (b *block) begin(p broadcaster.Portion) {
	now := b.now
	now.Skip()
	if p.Size != b.nowSize {
		now.Resize(p.Size.Rows)
	}
	*b = block{output: b.output[:0], now: now, nowSize: p.Size, nowLatest: b.nowLatest, times: b.times[:0], events: b.events[:0]}
	b.start(p.Offset, p.Line-1, p.Begins)
	b.fresh = true
}

// start sets what is known at the block's first byte.
func (b *block) start(offset, line int64, begins bool) {
	b.offset, b.line, b.begins = offset, line, begins
	b.size, b.state, b.latest = b.nowSize, b.now, b.nowLatest
	b.lastNumber, b.lastOffset = 0, offset
}

// room returns how many bytes the block still takes at once.
func (b *block) room() int {
	if n := blockSize - len(b.output); n > 0 {
		return n
	}
	return blockSize // in a long control sequence
}

// full reports whether the block is long enough to be stored.
func (b *block) full() bool { return len(b.output) >= blockSize && b.scanned >= blockSize/2 }

// add adds a portion to the block's end.
func (b *block) add(p broadcaster.Portion, encode func(event any) []byte) {
	data := p.Data
	for _, e := range p.Events {
		n := e.Offset - (p.Offset + int64(len(p.Data)-len(data)))
		b.write(data[:n])
		data = data[n:]
		if size, ok := e.Event.(broadcaster.Resize); ok {
			b.now.Resize(size.Rows)
		}
	}
	b.write(data)
	b.placed = append(b.placed, p.Events...)
	for _, s := range p.Stamps {
		newest := b.last
		if n := len(b.stamps); n > 0 {
			newest = b.stamps[n-1]
		}
		if newest == (broadcaster.Stamp{}) || s.Offset > newest.Offset { // the first is that in force
			b.stamps = append(b.stamps, s)
		}
	}
	b.encode(encode)
}

// write adds output.
func (b *block) write(p []byte) {
	b.output = append(b.output, p...)
	b.scanned += b.now.Scan(b.output[b.scanned:])
}

// encode encodes the times and events before scanned.
func (b *block) encode(encode func(event any) []byte) {
	end := b.offset + int64(b.scanned)
	for len(b.stamps) > 0 && b.stamps[0].Offset < end {
		b.encodeStamp(b.stamps[0])
		b.stamps = b.stamps[1:]
	}
	for len(b.placed) > 0 && b.placed[0].Offset < end {
		b.encodeEvent(b.placed[0], encode)
		b.placed = b.placed[1:]
	}
}

// encodeStamp appends a stamp to times, as differences from the one before or, if it is the first, from
// the block's offset and zero.
func (b *block) encodeStamp(s broadcaster.Stamp) {
	was := b.last
	if len(b.times) == 0 {
		was = broadcaster.Stamp{Offset: b.offset}
	}
	b.times = binary.AppendVarint(b.times, s.Offset-was.Offset)
	b.times = binary.AppendVarint(b.times, s.UnixMilli-was.UnixMilli)
	b.last, b.nowLatest = s, max(b.nowLatest, s.UnixMilli)
}

// An event on disk has a kind.
const (
	resizeKind = 0
	otherKind  = 1
)

// encodeEvent appends an event to events: the differences of its offset and number from the one before,
// its kind, its length and itself.
func (b *block) encodeEvent(e broadcaster.Event, encode func(event any) []byte) {
	var p []byte
	kind := byte(otherKind)
	if size, ok := e.Event.(broadcaster.Resize); ok {
		kind, b.nowSize = resizeKind, size
		p = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(size.Cols)), uint64(size.Rows))
	} else if encode != nil {
		p = encode(e.Event)
	}
	if p == nil {
		return
	}
	b.events = binary.AppendUvarint(b.events, uint64(e.Offset-b.lastOffset))
	b.events = binary.AppendUvarint(b.events, uint64(e.Number-b.lastNumber))
	b.events = binary.AppendUvarint(append(b.events, kind), uint64(len(p)))
	b.events = append(b.events, p...)
	b.lastOffset, b.lastNumber = e.Offset, e.Number
}

// entry returns the block's entry in the index, up to scanned, and the state at its beginning.
func (b *block) entry() (entry, screen.State) {
	return entry{
		offset: b.offset, line: b.line, begins: b.begins, latest: b.latest, cols: uint16(b.size.Cols), rows: uint16(b.size.Rows),
		output: int32(b.scanned), newlines: int32(bytes.Count(b.output[:b.scanned], newline)),
		times: int32(len(b.times)), events: int32(len(b.events)), fresh: b.fresh,
	}, b.state
}

// close makes the block end where its output does, even within a control sequence.
func (b *block) close(encode func(event any) []byte) {
	b.scanned = len(b.output)
	b.encode(encode)
}

// endsLine reports whether a line begins after what was scanned.
func (b *block) endsLine() bool {
	return b.begins && b.scanned == 0 || bytes.HasSuffix(b.output[:b.scanned], newline)
}

// advance makes b the block after the one that e describes, from rest on, at which a line may begin. stored reports
// whether e's block was stored.
func (b *block) advance(e entry, begins, stored bool, rest []byte) {
	b.output = append(b.output[:0], rest...)
	b.scanned, b.times, b.events, b.fresh = 0, b.times[:0], b.events[:0], !stored
	b.start(e.end(), e.line+int64(e.newlines), begins)
	if b.last != (broadcaster.Stamp{}) {
		b.encodeStamp(b.last)
	}
}

var newline = []byte{'\n'}
