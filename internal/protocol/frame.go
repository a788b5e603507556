package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xa
)

// Bits of a frame's first byte (RFC 6455, section 5.2; RFC 7692, section 6).
const (
	FinBit  = 0x80 // the message ends with this frame
	RSV1Bit = 0x40 // the message is deflated
)

const (
	// MaxFrameHead is the size of the largest head of an unmasked frame, in bytes.
	MaxFrameHead = 10
	// MaxControl is the size of the largest payload of a control frame, in bytes (RFC
	// 6455, section 5.5).
	MaxControl = 125

	maskBit    = 0x80 // of the second byte
	length16   = 126  // in place of a length: 2 bytes of it follow
	length64   = 127  // 8 bytes follow
	reserved23 = 0x30 // RSV2 and RSV3, which no extension of ours uses
)

// FrameHead returns the head of an unmasked frame that is a message of its own, with a
// payload of size bytes (RFC 6455, section 5.2).
func FrameHead(opcode byte, size int) []byte {
	return AppendFrameHead(make([]byte, 0, 4), opcode, size)
}

// AppendFrameHead appends to b what [FrameHead] returns: at most [MaxFrameHead] bytes.
func AppendFrameHead(b []byte, opcode byte, size int) []byte {
	switch {
	case size < length16:
		return append(b, FinBit|opcode, byte(size))
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, FinBit|opcode, length16), uint16(size))
	}
	return binary.BigEndian.AppendUint64(append(b, FinBit|opcode, length64), uint64(size))
}

// A Frame is what the head of an unmasked frame says, as servers send it.
type Frame struct {
	Opcode   byte
	Fin      bool   // the message ends with this frame
	Deflated bool   // RSV1: the message is deflated, from this frame on
	Size     uint64 // of the payload, in bytes; below 1<<63
}

// Control reports whether the frame is a control frame, which may come between the frames
// of a message (RFC 6455, section 5.5).
func (f Frame) Control() bool { return f.Opcode >= OpClose }

// Errors of [ParseFrameHead].
var (
	errMasked   = errors.New("parse a frame: a server must not mask it")
	errLength   = errors.New("parse a frame: its length is not in the shortest form")
	errReserved = errors.New("parse a frame: a reserved bit is set")
	errControl  = errors.New("parse a frame: a control frame is deflated, in fragments or too large")
)

// ParseFrameHead returns what the head of an unmasked frame at the beginning of p says,
// and the size of the head; 0 if p ends within it. It never needs more than
// [MaxFrameHead] bytes. What a server must not send is an error (RFC 6455, sections 5.1,
// 5.2 and 5.5). Whether a message may be deflated, or continued, is for the caller to check.
func ParseFrameHead(p []byte) (f Frame, n int, err error) {
	if len(p) < 2 {
		return Frame{}, 0, nil
	}
	f = Frame{Opcode: p[0] & 0xf, Fin: p[0]&FinBit != 0, Deflated: p[0]&RSV1Bit != 0, Size: uint64(p[1] &^ maskBit)}
	switch {
	case p[1]&maskBit != 0:
		return Frame{}, 0, errMasked
	case p[0]&reserved23 != 0:
		return Frame{}, 0, errReserved
	case f.Opcode > OpBinary && f.Opcode < OpClose || f.Opcode > OpPong:
		return Frame{}, 0, fmt.Errorf("parse a frame: the opcode is %#x", f.Opcode)
	case f.Control() && (f.Deflated || !f.Fin || f.Size > MaxControl):
		return Frame{}, 0, errControl
	}
	n = 2
	switch f.Size {
	case length16:
		if n = 4; len(p) < n {
			return Frame{}, 0, nil
		}
		if f.Size = uint64(binary.BigEndian.Uint16(p[2:])); f.Size < length16 {
			return Frame{}, 0, errLength
		}
	case length64:
		if n = MaxFrameHead; len(p) < n {
			return Frame{}, 0, nil
		}
		if f.Size = binary.BigEndian.Uint64(p[2:]); f.Size <= 0xffff || f.Size>>63 != 0 {
			return Frame{}, 0, errLength
		}
	}
	return f, n, nil
}
