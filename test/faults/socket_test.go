//go:build linux

package faults

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
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
		var head [2]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return 0, nil, err
		}
		size := uint64(head[1])
		switch size {
		case 126:
			var b [2]byte
			_, err = io.ReadFull(s.r, b[:])
			size = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			_, err = io.ReadFull(s.r, b[:])
			size = binary.BigEndian.Uint64(b[:])
		}
		if err != nil {
			return 0, nil, err
		}
		if head[0]&0x70 != 0 || head[0]&0x80 == 0 || size > 1<<24 {
			return 0, nil, fmt.Errorf("a frame begins with % x", head)
		}
		payload = make([]byte, size)
		if _, err := io.ReadFull(s.r, payload); err != nil {
			return 0, nil, err
		}
		switch opcode = head[0] & 0xf; opcode {
		case opText, opBinary:
			return opcode, payload, nil
		case opPing:
			// Client frames must be masked; a mask of zeros will do.
			pong := append([]byte{0x80 | opPong, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
			if _, err := s.Write(pong); err != nil {
				return 0, nil, err
			}
		case opClose:
			code := 1005
			if len(payload) >= 2 {
				code = int(binary.BigEndian.Uint16(payload))
			}
			s.Write(append([]byte{0x80 | opClose, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
			return opClose, payload, closeError(code)
		default:
			return 0, nil, fmt.Errorf("a frame begins with % x", head)
		}
	}
}

// An event is an event of wsrun.v1.
type event struct {
	Event   string
	Epoch   string
	Offset  int64
	Line    int64
	End     int64
	Resumed bool
	Code    int
	Signal  string
}

// A follower is a wsrun.v1 viewer that resumes, on each connection, where the one before was
// cut.
type follower struct {
	oracle
	epoch         string
	offset        int64
	end           int64 // of the output when the connection was opened
	untilCaughtUp bool  // follow returns errCaughtUp at end
	hellos        int
	resets        int
	exit          *event

	onHello func() // called after each hello; may be nil
}

// errCaughtUp is the error of a follower that has caught up.
var errCaughtUp = errors.New("caught up")

// query returns the query that resumes.
func (f *follower) query() string {
	if f.epoch == "" {
		return "?n=3"
	}
	return fmt.Sprintf("?epoch=%s&offset=%d", url.QueryEscape(f.epoch), f.offset)
}

// follow reads s until it ends, and returns why, which is never nil.
func (f *follower) follow(s *socket) error {
	for {
		opcode, payload, err := s.next()
		if err != nil {
			return err
		}
		if opcode == opBinary {
			f.offset += int64(len(payload))
			f.write(payload)
			if f.untilCaughtUp && f.offset >= f.end {
				return errCaughtUp
			}
			continue
		}
		var e event
		if err := json.Unmarshal(payload, &e); err != nil {
			return err
		}
		switch e.Event {
		case "hello":
			f.hello(e)
		case "reset":
			f.resets++
			f.offset = e.Offset
			f.skip(e.Line)
		case "exit":
			f.exit = &e
		}
	}
}

// hello handles a hello event, which must say that the follower has resumed where it asked.
func (f *follower) hello(e event) {
	f.hellos++
	if !e.Resumed {
		f.mu.Lock()
		if f.epoch == e.Epoch && f.err == nil {
			f.err = fmt.Errorf("what follows byte %d was gone", f.offset)
		}
		f.next, f.rest = e.Line, nil
		f.mu.Unlock()
	} else if e.Offset != f.offset && f.err == nil {
		f.err = fmt.Errorf("resumed at byte %d, want %d", e.Offset, f.offset)
	}
	f.epoch, f.offset, f.end = e.Epoch, e.Offset, e.End
	if f.onHello != nil {
		f.onHello()
	}
}
