package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"wsrun/internal/protocol"
	"wsrun/test/peer"
)

// stretched returns a client's frame with its length in 2 or 8 bytes, whatever the length is.
func stretched(first byte, bytes int, length uint64, payload string) []byte {
	f := []byte{first, 0x80 | 126, byte(length >> 8), byte(length)}
	if bytes == 8 {
		f = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length)
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

const (
	finText  = protocol.FinBit | protocol.OpText
	finBin   = protocol.FinBit | protocol.OpBinary
	finClose = protocol.FinBit | protocol.OpClose
	finPing  = protocol.FinBit | protocol.OpPing
	finPong  = protocol.FinBit | protocol.OpPong
)

// notUTF8 holds texts that aren't valid UTF-8.
var notUTF8 = map[string]string{
	"a continuation byte": "\x80", "two of them": "\xbf\x80", "a cut character of 2": "\xc3", "of 3": "\xe2\x82", "of 4": "\xf0\x9d\x84",
	"an overlong slash": "\xc0\xaf", "of 3 bytes": "\xe0\x80\xaf", "of 4 bytes": "\xf0\x80\x80\xaf", "a surrogate": "\xed\xa0\x80",
	"a pair of them": "\xed\xa0\xbd\xed\xb8\x80",
	"beyond Unicode": "\xf4\x90\x80\x80", "of 5 bytes": "\xf8\x88\x80\x80\x80", "of 6 bytes": "\xfc\x84\x80\x80\x80\x80",
	"FE": "\xfe", "FF": "\xff", "text, then not": "good\xffbad",
}

// A frameTable collects frame cases.
type frameTable []frameCase

// add adds a case that ends as wanted. The name is formatted with args.
func (t *frameTable) add(want string, send []byte, name string, args ...any) {
	*t = append(*t, frameCase{name: fmt.Sprintf(name, args...), send: send, want: want})
}

// pong adds a case that is answered with a pong and leaves the connection open.
func (t *frameTable) pong(payload string, send []byte, name string, args ...any) {
	*t = append(*t, frameCase{name: fmt.Sprintf(name, args...), send: send, pong: &payload, want: stays})
}

// frameCases returns cases for every rule of RFC 6455 on frames. Viewers must not send
// messages, whatever these contain: the first frame of one is answered with 1008, and wsrun
// ignores the rest. If deflate was negotiated, a message may also be compressed (RFC 7692).
func frameCases(deflate bool) []frameCase {
	var t frameTable
	t.addFirstBytes(deflate)
	t.addMasks()
	t.addLengths()
	t.addFragments()
	t.addDeflated(deflate)
	t.addStrayFragments()
	t.addInvalidText()
	t.addCloses()
	t.addAfterClose()
	t.addFloods()
	t.addCuts()
	return t
}

// addFirstBytes adds a frame with every possible first byte (section 5.2).
func (t *frameTable) addFirstBytes(deflate bool) {
	for first := range 256 {
		payload, want := "hi", ""
		opcode, reserved := first&0xf, 0x70
		if deflate && opcode >= protocol.OpText && opcode <= protocol.OpBinary {
			reserved &^= protocol.RSV1Bit
		}
		switch {
		case first&reserved != 0, opcode >= 3 && opcode <= 7, opcode >= 11: // reserved
			want = "1002"
		case opcode == 0: // continues nothing, section 5.4
			want = "1002"
		case opcode >= 8 && first&protocol.FinBit == 0: // control frames in fragments, section 5.5
			want = "1002"
		case opcode == protocol.OpText, opcode == protocol.OpBinary:
			want = "1008"
		case opcode == protocol.OpClose:
			payload, want = peer.StatusBytes(1000), "1000"
		case opcode == protocol.OpPing:
			t.pong(payload, peer.Masked(byte(first), payload), "first byte %02x", first)
			continue
		case opcode == protocol.OpPong:
			want = stays
		}
		t.add(want, peer.Masked(byte(first), payload), "first byte %02x", first)
	}
}

// addMasks adds frames without a mask (section 5.1), and with various ones (section 5.3).
func (t *frameTable) addMasks() {
	for _, first := range []byte{finText, finBin, protocol.OpText, 0, protocol.FinBit, finClose, finPing, finPong} {
		for _, payload := range []string{"", "hi", strings.Repeat("x", 125)} {
			t.add(peer.Dropped, append([]byte{first, byte(len(payload))}, payload...), "unmasked %02x of %d bytes", first, len(payload))
		}
	}
	for _, key := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x01\x00\x00\x00", "\x00\x00\x00\x01", "\x80\x7f\x00\xff", "mask"} {
		t.pong("payload", peer.MaskedBy(finPing, "payload", key), "masked with %q", key)
		t.add("4001", peer.MaskedBy(finClose, peer.StatusBytes(4001), key), "closed, masked with %q", key)
	}
}

// addLengths adds frames of every encoding of a length (section 5.2), and control frames over
// the limit of 125 bytes (section 5.5).
func (t *frameTable) addLengths() {
	for n := range 126 {
		payload := strings.Repeat("p", n)
		t.pong(payload, peer.Masked(finPing, payload), "a ping of %d bytes", n)
	}
	for _, n := range []int{0, 1, 124, 125} {
		t.add(stays, peer.Masked(finPong, strings.Repeat("p", n)), "an unsolicited pong of %d bytes", n)
		// Section 5.2 requires the shortest form of a length, but no server has to enforce it.
		t.pong(strings.Repeat("p", n), stretched(finPing, 2, uint64(n), strings.Repeat("p", n)), "a ping of %d bytes, length in 2", n)
		t.pong(strings.Repeat("p", n), stretched(finPing, 8, uint64(n), strings.Repeat("p", n)), "a ping of %d bytes, length in 8", n)
	}
	for _, first := range []byte{finClose, finPing, finPong} {
		for _, n := range []int{126, 127, 1024, 65535, 65536} {
			t.add("1002", peer.Masked(first, peer.StatusBytes(1000)+strings.Repeat("x", n-2)), "control frame %02x of %d bytes", first, n)
		}
		for _, n := range []uint64{126, 1 << 16, 1 << 32, 1<<63 - 1} {
			t.add("1002", stretched(first, 8, n, ""), "control frame %02x claiming %d bytes", first, n)
		}
	}
	for _, first := range []byte{finText, finBin, protocol.OpText, protocol.OpBinary} {
		for _, n := range []int{0, 1, 125, 126, 127, 1023, 1024, 1025, 65535, 65536, 1 << 20} {
			t.add("1008", peer.Masked(first, strings.Repeat("x", n)), "message %02x of %d bytes", first, n)
		}
		for _, n := range []uint64{0, 1, 125, 126, 65535} {
			t.add("1008", stretched(first, 8, n, ""), "message %02x claiming %d bytes, length in 8", first, n)
			t.add("1008", stretched(first, 2, n, ""), "message %02x claiming %d bytes, length in 2", first, n)
		}
		for _, n := range []uint64{65536, 1 << 31, 1 << 32, 1 << 62, 1<<63 - 1} {
			t.add("1008", stretched(first, 8, n, "abc"), "message %02x claiming %d bytes", first, n)
		}
	}
	for _, first := range []byte{finText, finBin, protocol.OpText, protocol.FinBit, finClose, finPing, finPong} {
		for _, n := range []uint64{1 << 63, 1<<63 + 5, 1<<64 - 1} {
			t.add(peer.Dropped, stretched(first, 8, n, ""), "frame %02x of %x bytes: the first bit must be 0", first, n)
		}
	}
}

// addFragments adds fragmented messages (section 5.4).
func (t *frameTable) addFragments() {
	for name, frames := range map[string][]byte{
		"two fragments":           join(peer.Masked(protocol.OpText, "a"), peer.Masked(protocol.FinBit, "b")),
		"three":                   join(peer.Masked(protocol.OpBinary, "a"), peer.Masked(0, "b"), peer.Masked(protocol.FinBit, "c")),
		"empty ones":              join(peer.Masked(protocol.OpText, ""), peer.Masked(0, ""), peer.Masked(0, ""), peer.Masked(protocol.FinBit, "")),
		"a ping between":          join(peer.Masked(protocol.OpText, "a"), peer.Masked(finPing, "p"), peer.Masked(protocol.FinBit, "b")),
		"a close between":         join(peer.Masked(protocol.OpText, "a"), peer.Masked(finClose, peer.StatusBytes(1000))),
		"a message within a text": join(peer.Masked(protocol.OpText, "a"), peer.Masked(finText, "b")),
		"a message within bytes": join(peer.Masked(protocol.OpBinary, "a"), peer.Masked(protocol.OpBinary, "b"),
			peer.Masked(protocol.FinBit, "c")),
		"a thousand, without end":   join(peer.Masked(protocol.OpText, "a"), bytes.Repeat(peer.Masked(0, "x"), 1000)),
		"a reserved bit on another": join(peer.Masked(protocol.OpText, "a"), peer.Masked(protocol.FinBit|0x40, "b")),
		"an unmasked other":         join(peer.Masked(protocol.OpText, "a"), []byte("\x80\x01b")),
	} {
		t.add("1008", frames, "%s", name)
	}
}

// addDeflated adds compressed messages (RFC 7692). Without the extension, the bit that marks
// them is a reserved one.
func (t *frameTable) addDeflated(deflate bool) {
	deflated := "1002"
	if deflate {
		deflated = "1008"
	}
	for name, payload := range map[string]string{
		"deflated":               "\xf2\x48\xcd\xc9\xc9\x07\x00", // section 7.2.3.1
		"stored":                 "\x00\x05\x00\xfa\xffHello\x00",
		"deflated to nothing":    "\x00",
		"deflated, and empty":    "",
		"deflated, cut off":      "\xf2\x48",
		"deflated, no block":     "\x07",
		"deflated, far back":     "\x02\x13\x00\x00",
		"deflated, the last one": "\xf3\x48\xcd\xc9\xc9\x07\x00", // section 7.2.3.4
		"a bomb":                 strings.Repeat("\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0", 100),
	} {
		t.add(deflated, peer.Masked(finText|protocol.RSV1Bit, payload), "%s", name)
		t.add(deflated, join(peer.Masked(protocol.OpText|protocol.RSV1Bit, payload[:len(payload)/2]),
			peer.Masked(protocol.FinBit, payload[len(payload)/2:])), "%s, in two", name)
		t.add(deflated, join(peer.Masked(protocol.OpBinary|protocol.RSV1Bit, payload),
			peer.Masked(protocol.FinBit|protocol.RSV1Bit, payload)), "%s, twice", name)
		t.add("1002", peer.Masked(finPing|protocol.RSV1Bit, payload), "a ping, %s", name)
		t.add("1002", peer.Masked(finClose|protocol.RSV1Bit, payload), "a close, %s", name)
	}
}

// addStrayFragments adds fragments of no message, and of control frames (section 5.4).
func (t *frameTable) addStrayFragments() {
	for name, frames := range map[string][]byte{
		"an end of nothing":             peer.Masked(protocol.FinBit, "x"),
		"a middle of nothing":           peer.Masked(0, "x"),
		"an empty end of nothing":       peer.Masked(protocol.FinBit, ""),
		"an end of nothing, but a pong": join(peer.Masked(finPong, ""), peer.Masked(protocol.FinBit, "x")),
		"fragments of a ping":           join(peer.Masked(protocol.OpPing, "a"), peer.Masked(protocol.FinBit, "b")),
		"fragments of a close":          join(peer.Masked(protocol.OpClose, peer.StatusBytes(1000)), peer.Masked(protocol.FinBit, "bye")),
	} {
		t.add("1002", frames, "%s", name)
	}
}

// addInvalidText adds text that isn't UTF-8. Section 8.1 leaves messages to whoever reads
// them, and wsrun reads none.
func (t *frameTable) addInvalidText() {
	for name, text := range notUTF8 {
		for cut := range len(text) + 1 {
			t.add("1008", join(peer.Masked(protocol.OpText, text[:cut]), peer.Masked(protocol.FinBit, text[cut:])),
				"text of %s, cut at %d", name, cut)
		}
		t.pong(text, peer.Masked(finPing, text), "a ping of %s", name)
		// A close frame's reason is read, and section 7.4.1 has a status for a bad one.
		t.add("1007", peer.Masked(finClose, peer.StatusBytes(1000)+text), "closed for %s", name)
	}
}

// addFloods adds many pings and pongs. Only the last ping must be answered (section 5.5.3).
func (t *frameTable) addFloods() {
	for _, n := range []int{2, 10, 1000} {
		var pings []byte
		for i := range n {
			pings = append(pings, peer.Masked(finPing, fmt.Sprint(i))...)
		}
		t.pong(fmt.Sprint(n-1), pings, "%d pings", n)
		t.add(stays, bytes.Repeat(peer.Masked(finPong, "x"), n), "%d pongs", n)
		t.pong("last", join(bytes.Repeat(join(peer.Masked(finPong, "x"), peer.Masked(finPing, "")), n),
			peer.Masked(finPing, "last")), "%d of both", n)
	}
}

// addCuts adds connections that end within a frame (sections 5.2 and 7.1.1).
func (t *frameTable) addCuts() {
	for _, frame := range [][]byte{
		peer.Masked(finPing, "hello"), stretched(finPing, 2, 5, "hello"), stretched(finPing, 8, 5, "hello"),
		peer.Masked(finClose, peer.StatusBytes(1000)+"bye"),
	} {
		for cut := range len(frame) {
			*t = append(*t, frameCase{name: fmt.Sprintf("%d bytes of %q", cut, frame), send: frame[:cut], hang: true, want: peer.Dropped})
		}
	}
	*t = append(*t, frameCase{name: "a message that ends early", send: stretched(finText, 8, 1000, "abc"), hang: true, want: "1008"})
}
