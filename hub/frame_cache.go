package hub

import (
	"sync/atomic"

	"wsrun/internal/protocol"
)

const (
	// maxCachedFrame is the largest chunk of output, in bytes, that is copied into a frame for
	// all viewers to share. A shared frame saves each viewer a frame head of its own, and goes
	// out by write(2) instead of writev(2). For larger chunks, the copy costs a lone viewer
	// more than that saves.
	maxCachedFrame = 4 << 10
	// cachedFrames is the number of frames that are kept: a viewer may be sent several at a
	// time, and viewers may be at different chunks.
	cachedFrames = 4
)

// A frameCache keeps the last chunks of output as frames. Its methods may be called
// concurrently. Concurrent calls may make the same frame twice.
type frameCache struct {
	last [cachedFrames]atomic.Pointer[cachedFrame]
	made atomic.Uint32
}

type cachedFrame struct {
	opcode         byte
	payload, frame []byte
}

// get returns a chunk of output as a message of one frame, or nil if the chunk is too large. The
// frame is shared and must not be changed.
func (f *frameCache) get(opcode byte, payload []byte) []byte {
	if len(payload) > maxCachedFrame {
		return nil
	}
	for i := range f.last {
		if kept := f.last[i].Load(); kept != nil && kept.opcode == opcode && sameChunk(kept.payload, payload) {
			return kept.frame
		}
	}
	made := &cachedFrame{opcode, payload, append(protocol.FrameHead(opcode, len(payload)), payload...)}
	f.last[f.made.Add(1)%cachedFrames].Store(made)
	return made.frame
}

// clear drops all frames.
func (f *frameCache) clear() {
	for i := range f.last {
		f.last[i].Store(nil)
	}
}
