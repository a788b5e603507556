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
)

// A form is how a server sends lines.
type form struct {
	protocol   string // the subprotocol to ask for, or ""
	opcode     byte   // of messages with output; others are events
	lineBytes  int    // of a line in their payload
	perMessage bool   // a message is a line, without its end
}

// Opcodes (RFC 6455, section 5.2).
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

const (
	maxResponse = 4 << 10 // bytes of a handshake's answer
	maxControl  = 125     // bytes of a control frame's payload
)

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

	head       [10]byte // of the frame that comes
	headBytes  int      // of it that are there
	left       uint64   // bytes of the frame's payload that are to come
	kind       byte     // opcode of the message that comes
	compressed bool     // so is the message
	control    []byte   // payload of a control frame so far
	packed     []byte   // payload of a compressed message so far, of a sample

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
	r := "GET / HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if f.protocol != "" {
		r += "Sec-WebSocket-Protocol: " + f.protocol + "\r\n"
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
			n := copy(v.head[v.headBytes:v.headSize()], p)
			v.headBytes += n
			p = p[n:]
			if v.headBytes < v.headSize() {
				continue
			}
			if err := v.begin(); err != nil {
				return err
			}
		}
		n := min(uint64(len(p)), v.left)
		v.payload(p[:n], now)
		p = p[n:]
		if v.left -= n; v.left == 0 {
			v.headBytes = 0
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

// headSize is how many bytes the head that comes has, as far as it is known.
func (v *viewer) headSize() int {
	if v.headBytes < 2 {
		return 2
	}
	switch v.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// begin takes the whole head of a frame.
func (v *viewer) begin() error {
	if v.head[1]&0x80 != 0 {
		return errors.New("the server masks a frame")
	}
	switch size := v.head[1] & 0x7f; size {
	case 126:
		v.left = uint64(binary.BigEndian.Uint16(v.head[2:]))
	case 127:
		v.left = binary.BigEndian.Uint64(v.head[2:])
	default:
		v.left = uint64(size)
	}
	switch opcode := v.head[0] & 0xf; opcode {
	case opContinuation:
	case opText, opBinary:
		v.kind = opcode
		v.compressed = v.head[0]&0x40 != 0
		v.packed = v.packed[:0]
		if v.compressed && !v.deflate {
			return errors.New("the server compresses without having said so")
		}
	case opClose, opPing, opPong:
		v.control = v.control[:0]
		if v.left > maxControl {
			return fmt.Errorf("a control frame of %d bytes", v.left)
		}
	default:
		return fmt.Errorf("a frame of the opcode %d", opcode)
	}
	return nil
}

func (v *viewer) inControl() bool { return v.head[0]&0x8 != 0 }

// payload takes a part of the frame's payload.
func (v *viewer) payload(p []byte, now int64) {
	switch {
	case v.inControl():
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
	if v.inControl() {
		return v.answer()
	}
	if v.head[0]&0x80 == 0 {
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
	opcode := byte(opPong)
	switch v.head[0] & 0xf {
	case opPong:
		return nil
	case opClose:
		opcode = opClose
		if len(v.control) >= 2 {
			v.code = int(binary.BigEndian.Uint16(v.control))
		}
	}
	frame := []byte{0x80 | opcode, 0x80 | byte(len(v.control)), 0, 0, 0, 0} // a mask of zeros changes nothing
	unix.Write(v.fd, append(frame, v.control...))
	return nil
}
