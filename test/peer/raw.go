package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"wsrun/internal/protocol"
)

// Upgrade returns the request of a WebSocket handshake with the server at addr. Like the
// arguments of [strings.NewReplacer], instead are pairs of old and new strings to replace in
// the request.
func Upgrade(addr string, instead ...string) string {
	r := strings.NewReplacer(instead...)
	return r.Replace("GET / HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
}

// What [RawSocket.End] returns in place of the status of a close frame.
const (
	NoStatus = "no status" // an empty close frame
	Dropped  = "dropped"   // no close frame
)

// Opcodes and bits of a frame's first byte (RFC 6455, section 5.2). They are deliberately not
// taken from the code under test.
const (
	peerBinary = 0x2
	peerClose  = 0x8
	peerPong   = 0xa

	fin, rsv1 = 0x80, 0x40
)

// Masked returns a client's frame with the given first byte, masked by a fixed key (RFC 6455,
// section 5.2).
func Masked(first byte, payload string) []byte {
	return MaskedBy(first, payload, "\x12\x34\x56\x78")
}

// MaskedBy is Masked with a key of the caller's choice, of four bytes.
func MaskedBy(first byte, payload, key string) []byte {
	f := protocol.FrameHead(first, len(payload))
	f[0], f[1] = first, f[1]|0x80
	f = append(f, key...)
	for i := range len(payload) {
		f = append(f, payload[i]^key[i%4])
	}
	return f
}

// StatusBytes returns the payload of a close frame that has a status code and no reason.
func StatusBytes(code int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(code))) }

// A RawSocket is the client's side of a WebSocket. A test writes whatever bytes it likes to
// Conn; reads go through R. One goroutine at a time may read.
type RawSocket struct {
	net.Conn
	R       *bufio.Reader
	deflate bool // permessage-deflate was negotiated (RFC 7692)
}

// RawDial connects to addr, sends request and returns the response. The caller must close the
// socket. All of the connection's reads and writes fail 20 seconds from now. After an error
// the connection is closed, and the socket is nil if it was never open.
func RawDial(addr, request string) (*RawSocket, *http.Response, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	s := &RawSocket{Conn: c, R: bufio.NewReader(c)}
	io.WriteString(c, request)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(s.R, &http.Request{Method: method})
	if err != nil {
		c.Close()
		return s, resp, err
	}
	s.deflate = resp.Header.Get("Sec-WebSocket-Extensions") != ""
	return s, resp, err
}

// Next skips data frames and returns the next control frame. The error is [io.EOF] when the
// connection ends, in whatever way. A frame that a server must not send is an error too
// (RFC 6455, section 5).
func (s *RawSocket) Next() (opcode byte, payload string, err error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.R, head[:]); err != nil {
			if errors.Is(err, net.ErrClosed) || IsReset(err) {
				err = io.EOF
			}
			return 0, "", err
		}
		size := uint64(head[1])
		switch size {
		case 126:
			var n uint16
			err = binary.Read(s.R, binary.BigEndian, &n)
			if size = uint64(n); size < 126 {
				err = errors.New("the length is not in its shortest form")
			}
		case 127:
			err = binary.Read(s.R, binary.BigEndian, &size)
			if size <= 0xffff {
				err = errors.New("the length is not in its shortest form")
			}
		}
		if err != nil {
			return 0, "", err
		}
		if opcode = head[0] &^ fin; s.deflate && opcode&^rsv1 <= peerBinary {
			opcode &^= rsv1
		}
		knownOpcode := opcode > 0 && opcode <= peerBinary || opcode >= peerClose && opcode <= peerPong
		if head[0]&fin == 0 || size>>63 != 0 || !knownOpcode || opcode >= peerClose && size > 125 {
			return 0, "", fmt.Errorf("a bad frame %x", head)
		}
		p := make([]byte, size)
		if _, err := io.ReadFull(s.R, p); err != nil {
			return 0, "", err
		}
		if opcode >= peerClose {
			return opcode, string(p), nil
		}
	}
}

// IsReset reports whether err says that the peer reset the connection, as a system does when a
// program closes a connection with unread data.
func IsReset(err error) bool {
	return strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "forcibly closed")
}

// AwaitPong reads until a pong with the given payload arrives. A close frame before that, or the
// connection's end, is an error.
func (s *RawSocket) AwaitPong(payload string) error {
	for {
		opcode, p, err := s.Next()
		if err != nil || opcode == peerClose {
			return fmt.Errorf("no pong, but %x %q, %v", opcode, p, err)
		}
		if opcode == peerPong && p == payload {
			return nil
		}
	}
}

// End reads until the server closes the connection and returns the status of the server's
// close frame in decimal, [NoStatus] or [Dropped]. When the close frame arrives, End closes the
// client's side. A bad close frame is an error, and so is another control frame after it.
func (s *RawSocket) End() (string, error) {
	for {
		opcode, p, err := s.Next()
		if err == io.EOF {
			return Dropped, nil
		}
		if err != nil {
			return "", err
		}
		if opcode != peerClose {
			continue
		}
		s.Conn.(*net.TCPConn).CloseWrite()
		if opcode, after, err := s.Next(); err != io.EOF {
			return "", fmt.Errorf("after the close frame came %x %q, %v", opcode, after, err)
		}
		if len(p) == 0 {
			return NoStatus, nil
		}
		if len(p) == 1 || !utf8.ValidString(p[2:]) {
			return "", fmt.Errorf("a bad close frame %q", p)
		}
		return strconv.Itoa(int(binary.BigEndian.Uint16([]byte(p)))), nil
	}
}
