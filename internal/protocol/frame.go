package protocol

import "encoding/binary"

// Subprotocol is the WebSocket subprotocol of wsrun's own viewers.
const Subprotocol = "wsrun.v1"

// Opcodes of RFC 6455, section 5.2.
const (
	OpText   = 0x1
	OpBinary = 0x2
	OpClose  = 0x8
	OpPing   = 0x9
	OpPong   = 0xa
)

// Bits of a frame's first byte (RFC 6455, section 5.2; RFC 7692, section 6).
const (
	FinBit  = 0x80 // the message ends with this frame
	RSV1Bit = 0x40 // the message is deflated
)

// CloseTooSlow is the status with which a viewer that takes nothing is closed.
const CloseTooSlow = 4008

// FrameHead returns the head of an unmasked frame (RFC 6455, section 5.2).
func FrameHead(opcode byte, size int) []byte {
	head := []byte{FinBit | opcode, 0}
	switch {
	case size < 126:
		head[1] = byte(size)
	case size <= 0xffff:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(size))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(size))
	}
	return head
}
