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

// A chunk of output is deflated once for all viewers that get it (RFC 7692). Their windows don't
// need to be equal: the dictionary is the output before the chunk, and only as much of it as a
// viewer is known to have received.

const (
	// A chunk's dictionary has maxDict, maxDict/4, maxDict/16 … minDict bytes, or none: with
	// few sizes, a chunk is rarely deflated more than once. 32 KiB is the largest window
	// (RFC 7692, section 7.1.2.1). For what a dictionary saves and costs, see docs/facts.md,
	// hub.
	maxDict, minDict = 32 << 10, 512
	// minBareBytes is the size of the smallest message that is deflated without a dictionary.
	minBareBytes = 512
	// largeBytes is the size above which a message is deflated fast rather than well.
	largeBytes = 4 << 10
	// The cache keeps minDeflated frames, and one more for each bytesPerDeflated bytes of the
	// ring: every joining viewer gets the chunks of the ring in turn.
	minDeflated      = 32
	bytesPerDeflated = 64 << 10
)

// A takeover is the kind of compression that a viewer has negotiated. "Context takeover" means
// that a message may refer to the messages before it (RFC 7692, section 7.1.1).
type takeover int

const (
	notDeflated takeover = iota
	noTakeover
	withTakeover
)

// takeoverOf returns what was negotiated, from the Sec-WebSocket-Extensions header of the
// response.
func takeoverOf(extensions string) takeover {
	switch {
	case !strings.HasPrefix(extensions, "permessage-deflate"):
		return notDeflated
	case strings.Contains(extensions, "server_no_context_takeover"):
		return noTakeover
	}
	return withTakeover
}

// A deflateCache deflates messages of a stream and keeps the frames that were used last. Its
// methods may be called concurrently.
type deflateCache struct {
	stream *broadcaster.Broadcaster
	mu     sync.Mutex
	last   []*deflatedFrame // in the order of their last use
}

type deflatedFrame struct {
	payload []byte
	opcode  byte
	dict    int
	once    sync.Once
	frame   []byte
}

// entry returns the cache's entry for a payload, which may be new and have no frame yet.
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

// clear drops all frames.
func (d *deflateCache) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = nil
}

// dictOf returns the size of the dictionary for a chunk of the given size, if its viewer has
// received had bytes before the chunk without a gap.
func dictOf(had, chunk int) int {
	if chunk > largeBytes {
		return 0 // a large chunk is its own dictionary
	}
	for size := maxDict; size >= minDict; size /= 4 {
		if size <= had {
			return size
		}
	}
	return 0
}

// frame returns the payload as a deflated message of one frame, which is shared and must not be
// changed. before returns the size bytes of output before the payload, or nothing; the viewer's
// window must end with these bytes. frame returns nil if deflating the payload has panicked for another
// viewer: that one has left, and the others don't need to panic as well.
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

// Writers are pooled because they are large. Levels above 7 take longer and save little
// (docs/facts.md, hub).
var denseWriters, fastWriters = flateWriters(7), flateWriters(flate.BestSpeed)

func flateWriters(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, level)
		if err != nil {
			panic(err) // the level is unknown
		}
		return w
	}}
}

// deflate returns p deflated as RFC 7692, section 7.2.1, describes it.
func deflate(p, dict []byte) []byte {
	pool := denseWriters
	if len(p) > largeBytes {
		pool = fastWriters
	}
	w := pool.Get().(*flate.Writer)
	var b bytes.Buffer
	w.ResetDict(&b, dict)
	w.Write(p) // a write to memory can't fail
	w.Flush()
	pool.Put(w) // not after a panic, which may leave w in any state
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// sameChunk reports whether p is the very chunk that was kept, at the same address. Other bytes
// can't be at that address, because a kept chunk is never freed or changed.
func sameChunk(kept, p []byte) bool {
	return len(kept) == len(p) && unsafe.SliceData(kept) == unsafe.SliceData(p)
}
