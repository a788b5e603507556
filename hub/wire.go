package hub

import (
	"encoding/binary"
	"iter"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"wsrun/internal/protocol"
)

// closeReason is the index of the reason in a server's close frame, after the frame's head and the
// status.
const closeReason = 4

// A wire is the connection below a WebSocket. It has two users that write: wsrun, which sends frames of
// output as they are, and coder/websocket, which sends close frames. The wire writes each frame whole,
// and nothing after a close frame. Its methods may be called concurrently.
type wire struct {
	sender
	nonblocking bool   // frames are written without waiting; see setNonblocking
	closing     func() // called before a close frame of coder/websocket

	mu     sync.Mutex
	corked bool        // see cork
	closed bool        // a close frame or a failed write was the last
	broken bool        // the last frame is incomplete, and the rest of it is gone
	unsent net.Buffers // what is left of frames that stalled, or that would have had to wait
}

// Write sends one control frame of coder/websocket. coder/websocket echoes the reason of the viewer's
// close frame. If the reason is invalid UTF-8, Write sends status 1007 instead (RFC 6455, sections
// 7.4.1 and 8.1).
func (w *wire) Write(p []byte) (int, error) {
	frame, last := p, len(p) > 0 && p[0] == protocol.FinBit|protocol.OpClose
	if last && len(p) > closeReason && !utf8.Valid(p[closeReason:]) {
		frame = binary.BigEndian.AppendUint16(protocol.FrameHead(protocol.OpClose, 2), uint16(websocket.StatusInvalidFramePayloadData))
	}
	if last {
		w.closing()
	}
	if w.send(last, frame) != Following {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

// frame sends a message of one frame. If the outcome isn't Following, the connection can't be used any
// more.
func (w *wire) frame(opcode byte, payload ...[]byte) Outcome {
	return w.send(false, append([][]byte{protocol.FrameHead(opcode, sizeOf(payload))}, payload...)...)
}

// stream sends a message of one frame, of the given size, whose payload comes in pieces. It waits for
// the viewer. If there are fewer bytes than that, or if the viewer has stalled, the outcome is Stalled,
// and the viewer can't be told why.
func (w *wire) stream(opcode byte, size int, pieces iter.Seq[[]byte]) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return closing
	}
	left := size
	frame := append(w.unsent, protocol.FrameHead(opcode, size))
	w.unsent = nil
	for piece := range pieces {
		left -= len(piece)
		frame = append(frame, piece)
		if w.sender.send(&frame) != nil {
			break
		}
		if left == 0 {
			return Following
		}
	}
	w.closed, w.broken = true, true
	if len(frame) > 0 && !w.stalled() {
		return Left
	}
	return Stalled
}

// sizeOf returns the total size of the parts in bytes.
func sizeOf(parts [][]byte) (n int) {
	for _, part := range parts {
		n += len(part)
	}
	return n
}

// send sends a frame that consists of parts, after everything that is unsent. Without parts, it only
// sends what is unsent. last says that the frame is a close frame. send doesn't change the parts' bytes.
func (w *wire) send(last bool, parts ...[]byte) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && len(parts) > 0 {
		return closing
	}
	if last {
		w.closed, w.nonblocking = true, false // whatever a close frame leaves unsent is lost: the connection closes next
	}
	if w.nonblocking {
		return w.sendNonblock(parts)
	}
	frame := append(w.unsent, parts...)
	w.unsent = nil
	if w.sender.send(&frame) == nil {
		return Following
	}
	w.closed = true
	if !w.stalled() {
		return Left
	}
	w.unsent = frame
	return Stalled
}

// sendNonblock writes as much of a frame as possible without waiting, and keeps the rest. mu must be
// held.
func (w *wire) sendNonblock(frame net.Buffers) Outcome {
	if len(w.unsent) == 0 {
		var err error
		if frame, err = w.sender.(*conn).writeNonblock(frame); err != nil {
			w.closed = true
			return Left
		}
	}
	w.unsent = append(w.unsent, frame...)
	return Following
}

// supportsNonblock reports whether setNonblocking(true) is allowed.
func (w *wire) supportsNonblock() bool {
	c, ok := w.sender.(*conn)
	return ok && c.supportsNonblock()
}

// setNonblocking sets whether frames are written without waiting. It has no effect after a close frame,
// which is always waited for.
func (w *wire) setNonblocking(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nonblocking = yes && !w.closed; w.nonblocking {
		w.SetWriteDeadline(time.Time{})
	}
}

// cork sets whether more output follows at once, so that less than a full packet may wait for it. Many viewers
// in a flood then take a fifth less time.
func (w *wire) cork(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.corked != yes {
		w.corked = yes
		w.sender.cork(yes)
	}
}

// blocked reports whether something is unsent.
func (w *wire) blocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.unsent) > 0
}

// delivered is the sender's delivered, but also counts unsent bytes as queued.
func (w *wire) delivered() (acked, queued int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked, queued, ok = w.sender.delivered()
	return acked, queued + int64(sizeOf(w.unsent)), ok
}

// flush sends what is unsent, and waits for that. The wire must not be nonblocking.
func (w *wire) flush() Outcome {
	if !w.blocked() {
		return Following
	}
	return w.send(false)
}

// giveUp tries to send the rest of the frame and a close frame that says why to a viewer that has
// stalled. It reports whether the viewer woke up for that within the given time.
func (w *wire) giveUp(within time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return false
	}
	reason := "too slow"
	status := binary.BigEndian.AppendUint16(nil, protocol.CloseTooSlow)
	w.unsent = append(w.unsent, protocol.FrameHead(protocol.OpClose, len(status)+len(reason)), status, []byte(reason))
	return w.sender.giveUp(w.unsent, within) == nil
}
