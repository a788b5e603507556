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

// A socket is a WebSocket client on a connection that a test can manipulate.
type socket struct {
	net.Conn
	r *bufio.Reader
}

// A closeError is the error of a socket that has received a close frame with that status.
type closeError int

func (e closeError) Error() string { return fmt.Sprintf("closed with %d", int(e)) }

// upgrade returns a request for a WebSocket. protocol may be empty.
func upgrade(addr, query, protocol string) string {
	head := "GET /" + query + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if protocol != "" {
		head += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	return head + "\r\n"
}

// open opens a WebSocket on conn.
func open(conn net.Conn, addr, query, protocol string) (*socket, error) {
	if _, err := io.WriteString(conn, upgrade(addr, query, protocol)); err != nil {
		return nil, err
	}
	s := &socket{conn, bufio.NewReader(conn)}
	return s, s.accepted()
}

// accepted reads the response to an upgrade, and returns an error unless it is 101.
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

// next returns the next message. It answers pings and a close frame; for the latter, it returns
// a [closeError].
func (s *socket) next() (opcode byte, payload []byte, err error) {
	for {
		frame, err := s.head()
		if err != nil {
			return 0, nil, err
		}
		if !frame.Fin || frame.Deflated || frame.Size > 1<<24 {
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
			return protocol.OpClose, payload, closeError(code)
		default:
			return 0, nil, fmt.Errorf("a frame is %+v", frame)
		}
	}
}

// head reads the head of a frame, and nothing after it.
func (s *socket) head() (protocol.Frame, error) {
	for n := 2; ; n++ {
		p, err := s.r.Peek(n)
		if err == io.EOF && len(p) > 0 {
			err = io.ErrUnexpectedEOF
		}
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

// answer sends a control frame. Client frames must be masked; a mask of zeros will do.
func (s *socket) answer(opcode byte, payload []byte) error {
	_, err := s.Write(append([]byte{protocol.FinBit | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
	return err
}

// nextV1 returns the next message of wsrun.v1. Its errors are those of next.
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

// A follower is a wsrun.v1 viewer that resumes, on each connection, where the one before was
// cut.
type follower struct {
	oracle
	at            client.Position
	end           int64 // of the output when the connection was opened
	untilCaughtUp bool  // follow returns errCaughtUp at end
	hellos        int
	resets        int
	exit          *protocol.ExitEvent

	onHello func() // called after each hello; may be nil
}

// errCaughtUp is the error of a follower that has caught up.
var errCaughtUp = errors.New("caught up")

// query returns the query that resumes.
func (f *follower) query() string {
	return "?" + cmp.Or(f.at.Query(), "n=3")
}

// follow reads s until it ends, and returns why, which is never nil.
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
			if f.untilCaughtUp && f.at.Offset >= f.end {
				return errCaughtUp
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

// hello handles a hello event, which must say that the follower has resumed where it asked: at
// from.
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
	if f.onHello != nil {
		f.onHello()
	}
}
