package hub

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/flate"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// Output is deflated once for all who get it next (RFC 7692). That they have the same
// in their windows is not needed: it is deflated with as much of the output before it
// as each of them has had.

const (
	// A chunk is deflated with maxDict or maxDict/4 or ... minDict of the output before
	// it, or with none, in bytes: the less often its viewers differ, the fewer times. Of
	// two lines of a log 0.74 are left with none, 0.38 with 2 KiB, 0.35 with 8, 0.33 with
	// 32, the most there is in a window, which takes 150 µs.
	maxDict, minDict = 32 << 10, 512
	// bareBytes is how large a message is at the least that is deflated with nothing.
	bareBytes = 512
	// largeBytes is how large one is that is deflated fast rather than well.
	largeBytes = 4 << 10
	// minDeflated is how many frames are kept besides one for so many bytes that the
	// ring keeps, which all who come get one after the other.
	minDeflated      = 32
	bytesPerDeflated = 64 << 10
)

// A takeover says whether a viewer inflates, and if it does, whether with what it had
// before.
type takeover int

const (
	notDeflated takeover = iota
	noTakeover
	withTakeover
)

// takeoverOf reads what was negotiated from the answer's header.
func takeoverOf(extensions string) takeover {
	switch {
	case !strings.HasPrefix(extensions, "permessage-deflate"):
		return notDeflated
	case strings.Contains(extensions, "server_no_context_takeover"):
		return noTakeover
	}
	return withTakeover
}

// A deflateCache deflates messages of a stream and keeps the last frames.
type deflateCache struct {
	stream *broadcaster.Broadcaster
	mu     sync.Mutex
	last   []*deflatedFrame // the last one used at the end
}

type deflatedFrame struct {
	payload []byte
	opcode  byte
	dict    int
	once    sync.Once
	frame   []byte
}

// entry returns what is kept, or is to be made, of a payload.
func (d *deflateCache) entry(opcode byte, payload []byte, dict int) *deflatedFrame {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, kept := range slices.Backward(d.last) {
		if kept.opcode == opcode && kept.dict == dict && sameChunk(kept.payload, payload) {
			if i < len(d.last)-1 {
				d.last = append(slices.Delete(d.last, i, i+1), kept)
			}
			return kept
		}
	}
	s := d.stream.Stats()
	if most := minDeflated + int((s.End-s.Start)/bytesPerDeflated); len(d.last) >= most {
		d.last = slices.Delete(d.last, 0, len(d.last)-most+1)
	}
	made := &deflatedFrame{payload: payload, opcode: opcode, dict: dict}
	d.last = append(d.last, made)
	return made
}

// clear keeps nothing more.
func (d *deflateCache) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = nil
}

// dictOf returns how much of the output before a chunk it is deflated with, of the so
// many bytes that its viewer has had without a gap.
func dictOf(had, chunk int) int {
	if chunk > largeBytes {
		return 0 // it helps itself
	}
	for size := maxDict; size >= minDict; size /= 4 {
		if size <= had {
			return size
		}
	}
	return 0
}

// frame returns a message of one frame, which is shared and never to be changed. Before
// returns the so many bytes of output before the payload, or none of them; the viewer
// must have them as its window's end.
func (d *deflateCache) frame(opcode byte, payload []byte, dict int, before func(size int) []byte) []byte {
	made := d.entry(opcode, payload, dict)
	made.once.Do(func() {
		text := deflate(payload, before(dict))
		head := protocol.FrameHead(opcode, len(text))
		head[0] |= protocol.RSV1Bit
		made.frame = append(head, text...)
	})
	return made.frame
}

// Writers are large: 1.3 MB for the one that does it well. The levels above take longer for little.
var wellWriters, fastWriters = writers(7), writers(flate.BestSpeed)

func writers(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, level)
		if err != nil {
			panic(err) // of an unknown level
		}
		return w
	}}
}

// deflate returns p as section 7.2.1 of RFC 7692 has it.
func deflate(p, dict []byte) []byte {
	pool := wellWriters
	if len(p) > largeBytes {
		pool = fastWriters
	}
	w := pool.Get().(*flate.Writer)
	defer pool.Put(w)
	var b bytes.Buffer
	w.ResetDict(&b, dict)
	w.Write(p) // to memory: it can't fail
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// sameChunk tells whether a chunk is the very one that was kept: as that is not freed, no
// other bytes can have its place.
func sameChunk(kept, p []byte) bool {
	return len(kept) == len(p) && unsafe.SliceData(kept) == unsafe.SliceData(p)
}
