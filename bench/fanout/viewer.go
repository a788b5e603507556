//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"golang.org/x/sys/unix"

	"wsrun/internal/protocol"
)

// A form is how a server sends lines.
type form struct {
	query       string // of the URL
	subprotocol string // to ask for, or ""
	opcode      byte   // of messages with output; others are events
	lineBytes   int    // of a line in their payload
	perMessage  bool   // a message is a line, without its end
}

const maxResponse = 4 << 10 // bytes of a handshake's answer

// castagnoli is the polynomial that processors know.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A viewer is one WebSocket, read by whoever reads its descriptor. It answers pings and
// the closing handshake.
type viewer struct {
	fd   int
	form form

	response []byte // the handshake's answer so far
	open     bool   // it has come
	gone     bool   // nothing more will come
	code     int    // with which the server closed, or 0

	head       [protocol.MaxFrameHead]byte // of the frame that comes
	headBytes  int                         // of it that are there
	frame      protocol.Frame              // that comes, once its head is there
	left       uint64                      // bytes of the frame's payload that are to come
	kind       byte                        // opcode of the message that comes
	compressed bool                        // so is the message
	control    []byte                      // payload of a control frame so far
	packed     []byte                      // payload of a compressed message so far, of a sample

	wire     int64  // bytes behind the handshake
	messages int64  // of output
	data     int64  // bytes of output, of compressed ones only a sample's
	crc      uint32 // of those bytes

	deflate bool // permessage-deflate was negotiated
	inflater
	sample *sample // or nil

	recorded []byte // all behind the handshake, of one that may compress and has no sample
}

// request is the handshake of a viewer.
func request(addr string, f form, deflate bool) []byte {
	r := "GET /" + f.query + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if f.subprotocol != "" {
		r += "Sec-WebSocket-Protocol: " + f.subprotocol + "\r\n"
	}
	if deflate {
		r += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	}
	return []byte(r + "\r\n")
}

// take goes on with what was read at a time, in nanoseconds since 1970.
func (v *viewer) take(p []byte, now int64) error {
	if !v.open {
		var err error
		if p, err = v.handshake(p); err != nil {
			return err
		}
	}
	v.wire += int64(len(p))
	if v.deflate && v.sample == nil {
		v.recorded = append(v.recorded, p...)
	}
	for len(p) > 0 {
		if v.left == 0 {
			held := v.headBytes
			v.headBytes += copy(v.head[held:], p)
			var size int
			var err error
			if v.frame, size, err = protocol.ParseFrameHead(v.head[:v.headBytes]); err != nil {
				return err
			}
			if size == 0 {
				return nil // it was cut
			}
			p, v.headBytes = p[size-held:], 0
			if err := v.begin(); err != nil {
				return err
			}
		}
		n := min(uint64(len(p)), v.left)
		v.payload(p[:n], now)
		p = p[n:]
		if v.left -= n; v.left == 0 {
			if err := v.end(now); err != nil {
				return err
			}
		}
	}
	return nil
}

// replay gives a sample what was recorded: to inflate it earlier would take time from the
// server.
func (v *viewer) replay(s *sample) error {
	again := viewer{fd: -1, form: v.form, open: true, deflate: true, inflater: inflater{takeover: v.takeover}, sample: s}
	return again.take(v.recorded, 0)
}

// handshake takes the answer, and returns what is behind it.
func (v *viewer) handshake(p []byte) ([]byte, error) {
	v.response = append(v.response, p...)
	answer, rest, ok := bytes.Cut(v.response, []byte("\r\n\r\n"))
	if !ok {
		if len(v.response) > maxResponse {
			return nil, errors.New("the handshake's answer does not end")
		}
		return nil, nil
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) {
		return nil, fmt.Errorf("the handshake was answered with %.200q", answer)
	}
	v.open, v.response = true, nil
	text := strings.ToLower(string(answer))
	v.deflate = strings.Contains(text, "permessage-deflate")
	v.takeover = !strings.Contains(text, "server_no_context_takeover")
	return rest, nil
}

// begin takes the whole head of a frame.
func (v *viewer) begin() error {
	v.left = v.frame.Size
	switch {
	case v.frame.Control():
		v.control = v.control[:0]
	case v.frame.Opcode != protocol.OpContinuation:
		v.kind, v.compressed = v.frame.Opcode, v.frame.Deflated
		v.packed = v.packed[:0]
		if v.compressed && !v.deflate {
			return errors.New("the server compresses without having said so")
		}
	}
	return nil
}

// payload takes a part of the frame's payload.
func (v *viewer) payload(p []byte, now int64) {
	switch {
	case v.frame.Control():
		v.control = append(v.control, p...)
	case !v.compressed:
		v.output(p, now)
	case v.sample != nil:
		v.packed = append(v.packed, p...)
	}
}

// output takes a part of a message's payload as it was before compression.
func (v *viewer) output(p []byte, now int64) {
	if v.kind != v.form.opcode {
		return
	}
	v.data += int64(len(p))
	v.crc = crc32.Update(v.crc, castagnoli, p)
	if v.sample != nil {
		v.sample.take(p, now)
	}
}

// end takes the end of a frame.
func (v *viewer) end(now int64) error {
	if v.frame.Control() {
		return v.answer()
	}
	if !v.frame.Fin {
		return nil
	}
	if v.compressed && v.sample != nil {
		p, err := v.inflate(v.packed)
		if err != nil {
			return err
		}
		v.output(p, now)
	}
	if v.kind == v.form.opcode {
		v.messages++
		if v.form.perMessage && v.sample != nil {
			v.sample.take([]byte("\n"), now)
		}
	}
	return nil
}

// answer does what a control frame asks for. An answer that the socket does not take
// at once is left out.
func (v *viewer) answer() error {
	opcode := byte(protocol.OpPong)
	switch v.frame.Opcode {
	case protocol.OpPong:
		return nil
	case protocol.OpClose:
		opcode = protocol.OpClose
		if len(v.control) >= 2 {
			v.code = int(binary.BigEndian.Uint16(v.control))
		}
	}
	frame := []byte{protocol.FinBit | opcode, 0x80 | byte(len(v.control)), 0, 0, 0, 0} // a mask of zeros changes nothing
	unix.Write(v.fd, append(frame, v.control...))
	return nil
}
