//go:build linux

package faults

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A socket is a WebSocket over a connection that a test can do anything to.
type socket struct {
	net.Conn
	r *bufio.Reader
}

// A closed is the error of a socket that got a close frame.
type closed int

func (c closed) Error() string { return fmt.Sprintf("closed with %d", int(c)) }

// upgrade returns a request for a WebSocket; protocol may be empty.
func upgrade(addr, query, protocol string) string {
	head := "GET /" + query + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if protocol != "" {
		head += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	return head + "\r\n"
}

// open makes conn a WebSocket.
func open(conn net.Conn, addr, query, protocol string) (*socket, error) {
	if _, err := io.WriteString(conn, upgrade(addr, query, protocol)); err != nil {
		return nil, err
	}
	s := &socket{conn, bufio.NewReader(conn)}
	return s, s.accepted()
}

// accepted reads the answer to an upgrade.
func (s *socket) accepted() error {
	status, err := s.r.ReadString('\n')
	for line := status; err == nil && line != "\r\n"; {
		line, err = s.r.ReadString('\n')
	}
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		err = fmt.Errorf("answered %q", status)
	}
	return err
}

// next returns the next message. It answers pings. A close frame is a closed.
func (s *socket) next() (opcode byte, payload []byte, err error) {
	for {
		frame, err := s.head()
		if err != nil {
			return 0, nil, err
		}
		if !frame.Fin || frame.Deflated || frame.Size > 1<<24 || frame.Opcode == protocol.OpContinuation {
			return 0, nil, fmt.Errorf("a frame is %+v", frame)
		}
		payload = make([]byte, frame.Size)
		if _, err := io.ReadFull(s.r, payload); err != nil {
			return 0, nil, err
		}
		switch frame.Opcode {
		case protocol.OpText, protocol.OpBinary:
			return frame.Opcode, payload, nil
		case protocol.OpPing:
			if err := s.answer(protocol.OpPong, payload); err != nil {
				return 0, nil, err
			}
		case protocol.OpClose:
			code := 1005
			if len(payload) >= 2 {
				code = int(binary.BigEndian.Uint16(payload))
			}
			s.answer(protocol.OpClose, payload)
			return protocol.OpClose, payload, closed(code)
		default:
			return 0, nil, fmt.Errorf("a frame is %+v", frame)
		}
	}
}

// head reads the head of a frame, and nothing behind it.
func (s *socket) head() (protocol.Frame, error) {
	for n := 2; ; n++ {
		p, err := s.r.Peek(n)
		if err != nil {
			return protocol.Frame{}, err
		}
		frame, size, err := protocol.ParseFrameHead(p)
		if err != nil || size > 0 {
			s.r.Discard(size)
			return frame, err
		}
	}
}

// answer sends a control frame, masked, as a client must, with a mask of zeros.
func (s *socket) answer(opcode byte, payload []byte) error {
	_, err := s.Write(append([]byte{protocol.FinBit | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
	return err
}

// nextV1 returns the next message of wsrun.v1.
func (s *socket) nextV1() (client.Message, error) {
	opcode, payload, err := s.next()
	if err != nil {
		return client.Message{}, err
	}
	m := client.Message{Payload: payload}
	if opcode == protocol.OpText {
		m.Event, err = protocol.Decode(payload)
	}
	return m, err
}

// A follower is a viewer by wsrun.v1 that resumes, connection after connection,
// where the one before was cut.
type follower struct {
	oracle
	at     client.Position
	end    int64 // of the output when the connection began
	enough bool  // to be there
	hellos int
	resets int
	exit   *protocol.ExitEvent

	greeted func() // by a hello; may be nil
}

// errEnough is how a follower leaves that has enough.
var errEnough = errors.New("enough")

// query returns the part of the URL that resumes.
func (f *follower) query() string {
	return "?" + cmp.Or(f.at.Query(), "n=3")
}

// follow reads s to its end, which is never nil.
func (f *follower) follow(s *socket) error {
	for {
		m, err := s.nextV1()
		if err != nil {
			return err
		}
		before := f.at
		f.at.Pass(m)
		switch e := m.Event.(type) {
		case nil:
			f.write(m.Payload)
			if f.enough && f.at.Offset >= f.end {
				return errEnough
			}
		case protocol.HelloEvent:
			f.hello(e, before)
		case protocol.ResetEvent:
			f.resets++
			f.skip(e.Line)
		case protocol.ExitEvent:
			f.exit = &e
		}
	}
}

// hello takes the hello of a connection that was to resume at a position.
func (f *follower) hello(e protocol.HelloEvent, from client.Position) {
	f.hellos++
	if !e.Resumed {
		f.mu.Lock()
		if from.Epoch == e.Epoch && f.err == nil {
			f.err = fmt.Errorf("what follows byte %d was gone", from.Offset)
		}
		f.next, f.rest = e.Line, nil
		f.mu.Unlock()
	} else if e.Offset != from.Offset && f.err == nil {
		f.err = fmt.Errorf("resumed at byte %d, want %d", e.Offset, from.Offset)
	}
	f.end = e.End
	if f.greeted != nil {
		f.greeted()
	}
}
