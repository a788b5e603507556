package hub

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"wsrun/internal/protocol"

	"github.com/coder/websocket"
)

// controlFrame is the most that coder/websocket writes at a time here: a control
// frame with its mask, which it must not split.
const controlFrame = 6 + 125

// closeReason is where a close frame of a server has its reason, behind the frame's
// head and the status.
const closeReason = 4

// A sender is a conn or a tlsConn.
type sender interface {
	net.Conn
	send(*net.Buffers) error
	stalled() bool
	delivered() (acked, queued int64, ok bool)
	giveUp(net.Buffers, time.Duration) error
}

// A wire is the connection below a WebSocket, for two writers: wsrun's frames
// of output, which can then be written as they are, and coder/websocket's close
// frames. Each Write and each frame goes out whole, and nothing after a close
// frame.
type wire struct {
	sender
	nonblocking bool   // frames are written without waiting; for its user to say
	closing     func() // called before coder/websocket's close frame

	mu     sync.Mutex
	closed bool
	unsent net.Buffers // of frames that stalled, or that there was no waiting for
}

// Write passes on one control frame of coder/websocket's. That echoes the reason of a
// viewer's close frame; one that is no UTF-8 is answered with 1007 (RFC 6455, sections
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

// frame writes a message of one frame. Unless the outcome is Following, the connection is of
// no use any more.
func (w *wire) frame(opcode byte, payload ...[]byte) Outcome {
	return w.send(false, append([][]byte{protocol.FrameHead(opcode, sizeOf(payload))}, payload...)...)
}

func sizeOf(parts [][]byte) (n int) {
	for _, part := range parts {
		n += len(part)
	}
	return n
}

// send writes a frame that is in parts, which are not changed.
func (w *wire) send(last bool, parts ...[]byte) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && len(parts) > 0 {
		return closing
	}
	if last {
		w.closed, w.nonblocking = true, false // what is unsent then is lost: the connection is closed
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

// sendNonblock writes a frame as far as that goes without waiting, and keeps the rest. mu
// must be held.
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

// supportsNonblock tells whether the wire may be hurried.
func (w *wire) supportsNonblock() bool {
	c, ok := w.sender.(*conn)
	return ok && c.supportsNonblock()
}

// setNonblocking makes frames be written without waiting, or no longer so. Nothing is hurried
// from a close frame on.
func (w *wire) setNonblocking(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nonblocking = yes && !w.closed; w.nonblocking {
		w.SetWriteDeadline(time.Time{})
	}
}

// blocked tells whether something of a hurried wire is unsent.
func (w *wire) blocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.unsent) > 0
}

// delivered returns what the sender does, with what is unsent as queued.
func (w *wire) delivered() (acked, queued int64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked, queued, ok = w.sender.delivered()
	return acked, queued + int64(sizeOf(w.unsent)), ok
}

// flush writes what is unsent. The wire must not be hurried.
func (w *wire) flush() Outcome {
	if !w.blocked() {
		return Following
	}
	return w.send(false)
}

// giveUp is for a viewer that has stalled: if it wakes within the time given, it
// gets the rest of its frame and learns why it is dropped. It reports whether it did.
func (w *wire) giveUp(within time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	reason := "too slow"
	status := binary.BigEndian.AppendUint16(nil, protocol.CloseTooSlow)
	w.unsent = append(w.unsent, protocol.FrameHead(protocol.OpClose, len(status)+len(reason)), status, []byte(reason))
	return w.sender.giveUp(w.unsent, within) == nil
}

// connection is the key of a request's sender, in its context.
type connection struct{}

// ConnContext is a server's [http.Server.ConnContext], for connections of [Listener].
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connection{}, senderOf(c))
}

// senderOf returns what a listener of Serve's has accepted.
func senderOf(c net.Conn) sender {
	if encrypted, ok := c.(*tls.Conn); ok {
		return tlsConn{encrypted}
	}
	return c.(*conn)
}

// A hijacker makes coder/websocket use a wire, of which it sets the sender.
type hijacker struct {
	http.ResponseWriter
	wire *wire
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire.sender = senderOf(c)
	reader := rw.Reader
	if reader.Buffered() == 0 {
		reader = bufio.NewReaderSize(h.wire, controlFrame)
	}
	return h.wire, bufio.NewReadWriter(reader, bufio.NewWriterSize(h.wire, controlFrame)), nil
}

// Unwrap lets [http.ResponseController] find the writer beneath.
func (h *hijacker) Unwrap() http.ResponseWriter { return h.ResponseWriter }
