package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// What a client may see of a WebSocket's end, but for the status of a close frame.
const (
	noStatus = "no status" // a close frame that is empty
	dropped  = "dropped"   // none
	stays    = "stays"     // it goes on
)

// A frameCase is what a client sends after a good handshake, and what comes of it.
type frameCase struct {
	name string
	send []byte
	hang bool    // the client sends nothing more, and says so
	pong *string // awaited first
	want string
}

// masked returns a client's frame (RFC 6455, section 5.2).
func masked(first byte, payload string) []byte {
	return maskedBy(first, payload, "\x12\x34\x56\x78")
}

func maskedBy(first byte, payload, key string) []byte {
	f := frameHead(first, len(payload))
	f[0], f[1] = first, f[1]|0x80
	f = append(f, key...)
	for i := range len(payload) {
		f = append(f, payload[i]^key[i%4])
	}
	return f
}

// stretched returns a client's frame that tells its length in 2 or 8 bytes.
func stretched(first byte, bytes int, length uint64, payload string) []byte {
	f := []byte{first, 0x80 | 126, byte(length >> 8), byte(length)}
	if bytes == 8 {
		f = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length)
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

func statusBytes(code int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(code))) }

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

const (
	finText  = finBit | opText
	finBin   = finBit | opBinary
	finClose = finBit | opClose
	finPing  = finBit | opPing
	finPong  = finBit | opPong
)

var notUTF8 = map[string]string{
	"a continuation byte": "\x80", "two of them": "\xbf\x80", "a cut character of 2": "\xc3", "of 3": "\xe2\x82", "of 4": "\xf0\x9d\x84",
	"an overlong slash": "\xc0\xaf", "of 3 bytes": "\xe0\x80\xaf", "of 4 bytes": "\xf0\x80\x80\xaf", "a surrogate": "\xed\xa0\x80", "a pair of them": "\xed\xa0\xbd\xed\xb8\x80",
	"beyond Unicode": "\xf4\x90\x80\x80", "of 5 bytes": "\xf8\x88\x80\x80\x80", "of 6 bytes": "\xfc\x84\x80\x80\x80\x80", "FE": "\xfe", "FF": "\xff", "text, then not": "good\xffbad",
}

// frameCases follow RFC 6455. A viewer must not send messages, whatever is in them:
// the first frame of one is answered with 1008, and what follows is not looked at. With
// deflate, which was negotiated then, that may be deflated (RFC 7692).
func frameCases(deflate bool) (all []frameCase) {
	add := func(want string, send []byte, name string, args ...any) {
		all = append(all, frameCase{name: fmt.Sprintf(name, args...), send: send, want: want})
	}
	pong := func(payload string, send []byte, name string, args ...any) {
		all = append(all, frameCase{name: fmt.Sprintf(name, args...), send: send, pong: &payload, want: stays})
	}

	// Section 5.2: each first byte there is.
	for first := range 256 {
		payload, want := "hi", ""
		opcode, reserved := first&0xf, 0x70
		if deflate && opcode >= opText && opcode <= opBinary {
			reserved &^= rsv1Bit
		}
		switch {
		case first&reserved != 0, opcode >= 3 && opcode <= 7, opcode >= 11: // reserved
			want = "1002"
		case opcode == 0: // continues nothing, section 5.4
			want = "1002"
		case opcode >= 8 && first&finBit == 0: // control frames in fragments, section 5.5
			want = "1002"
		case opcode == opText, opcode == opBinary:
			want = "1008"
		case opcode == opClose:
			payload, want = statusBytes(1000), "1000"
		case opcode == opPing:
			pong(payload, masked(byte(first), payload), "first byte %02x", first)
			continue
		case opcode == opPong:
			want = stays
		}
		add(want, masked(byte(first), payload), "first byte %02x", first)
	}

	// Section 5.1: without a mask.
	for _, first := range []byte{finText, finBin, opText, 0, finBit, finClose, finPing, finPong} {
		for _, payload := range []string{"", "hi", strings.Repeat("x", 125)} {
			add(dropped, append([]byte{first, byte(len(payload))}, payload...), "unmasked %02x of %d bytes", first, len(payload))
		}
	}
	// Section 5.3: with any.
	for _, key := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x01\x00\x00\x00", "\x00\x00\x00\x01", "\x80\x7f\x00\xff", "mask"} {
		pong("payload", maskedBy(finPing, "payload", key), "masked with %q", key)
		add("4001", maskedBy(finClose, statusBytes(4001), key), "closed, masked with %q", key)
	}

	// Sections 5.2 and 5.5: lengths.
	for n := range 126 {
		payload := strings.Repeat("p", n)
		pong(payload, masked(finPing, payload), "a ping of %d bytes", n)
	}
	for _, n := range []int{0, 1, 124, 125} {
		add(stays, masked(finPong, strings.Repeat("p", n)), "a pong of %d bytes that nobody asked for", n)
		// The shortest form MUST be used; nobody must enforce that.
		pong(strings.Repeat("p", n), stretched(finPing, 2, uint64(n), strings.Repeat("p", n)), "a ping of %d bytes, said in 2", n)
		pong(strings.Repeat("p", n), stretched(finPing, 8, uint64(n), strings.Repeat("p", n)), "a ping of %d bytes, said in 8", n)
	}
	for _, first := range []byte{finClose, finPing, finPong} {
		for _, n := range []int{126, 127, 1024, 65535, 65536} {
			add("1002", masked(first, statusBytes(1000)+strings.Repeat("x", n-2)), "control frame %02x of %d bytes", first, n)
		}
		for _, n := range []uint64{126, 1 << 16, 1 << 32, 1<<63 - 1} {
			add("1002", stretched(first, 8, n, ""), "control frame %02x said to have %d bytes", first, n)
		}
	}
	for _, first := range []byte{finText, finBin, opText, opBinary} {
		for _, n := range []int{0, 1, 125, 126, 127, 1023, 1024, 1025, 65535, 65536, 1 << 20} {
			add("1008", masked(first, strings.Repeat("x", n)), "message %02x of %d bytes", first, n)
		}
		for _, n := range []uint64{0, 1, 125, 126, 65535} {
			add("1008", stretched(first, 8, n, ""), "message %02x said in 8 to have %d bytes", first, n)
			add("1008", stretched(first, 2, n, ""), "message %02x said in 2 to have %d bytes", first, n)
		}
		for _, n := range []uint64{65536, 1 << 31, 1 << 32, 1 << 62, 1<<63 - 1} {
			add("1008", stretched(first, 8, n, "abc"), "message %02x said to have %d bytes", first, n)
		}
	}
	for _, first := range []byte{finText, finBin, opText, finBit, finClose, finPing, finPong} {
		for _, n := range []uint64{1 << 63, 1<<63 + 5, 1<<64 - 1} {
			add(dropped, stretched(first, 8, n, ""), "frame %02x of %x bytes: the first bit must be 0", first, n)
		}
	}

	// Section 5.4: fragments.
	for name, frames := range map[string][]byte{
		"two fragments":             join(masked(opText, "a"), masked(finBit, "b")),
		"three":                     join(masked(opBinary, "a"), masked(0, "b"), masked(finBit, "c")),
		"empty ones":                join(masked(opText, ""), masked(0, ""), masked(0, ""), masked(finBit, "")),
		"a ping between":            join(masked(opText, "a"), masked(finPing, "p"), masked(finBit, "b")),
		"a close between":           join(masked(opText, "a"), masked(finClose, statusBytes(1000))),
		"a message within a text":   join(masked(opText, "a"), masked(finText, "b")),
		"a message within bytes":    join(masked(opBinary, "a"), masked(opBinary, "b"), masked(finBit, "c")),
		"a thousand, without end":   join(masked(opText, "a"), bytes.Repeat(masked(0, "x"), 1000)),
		"a reserved bit on another": join(masked(opText, "a"), masked(finBit|0x40, "b")),
		"an unmasked other":         join(masked(opText, "a"), []byte("\x80\x01b")),
	} {
		add("1008", frames, "%s", name)
	}
	deflated := "1002" // as a reserved bit
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
		add(deflated, masked(finText|rsv1Bit, payload), "%s", name)
		add(deflated, join(masked(opText|rsv1Bit, payload[:len(payload)/2]), masked(finBit, payload[len(payload)/2:])), "%s, in two", name)
		add(deflated, join(masked(opBinary|rsv1Bit, payload), masked(finBit|rsv1Bit, payload)), "%s, twice", name)
		add("1002", masked(finPing|rsv1Bit, payload), "a ping, %s", name)
		add("1002", masked(finClose|rsv1Bit, payload), "a close, %s", name)
	}
	for name, frames := range map[string][]byte{
		"an end of nothing":             masked(finBit, "x"),
		"a middle of nothing":           masked(0, "x"),
		"an empty end of nothing":       masked(finBit, ""),
		"an end of nothing, but a pong": join(masked(finPong, ""), masked(finBit, "x")),
		"fragments of a ping":           join(masked(opPing, "a"), masked(finBit, "b")),
		"fragments of a close":          join(masked(opClose, statusBytes(1000)), masked(finBit, "bye")),
	} {
		add("1002", frames, "%s", name)
	}

	// Text that is none: nobody looks, section 8.1 applies where it is read.
	for name, text := range notUTF8 {
		for cut := range len(text) + 1 {
			add("1008", join(masked(opText, text[:cut]), masked(finBit, text[cut:])), "text of %s, cut at %d", name, cut)
		}
		pong(text, masked(finPing, text), "a ping of %s", name)
		// But for the reason of a close, section 5.5.1: section 7.4.1 has a code for it.
		add("1007", masked(finClose, statusBytes(1000)+text), "closed for %s", name)
	}

	// Section 5.5.1: closing. 7.4: which status may be sent; IANA has added to these.
	add(noStatus, masked(finClose, ""), "closed without a status")
	for b := range 256 {
		if b%15 == 0 {
			add("1002", masked(finClose, string([]byte{byte(b)})), "closed with half a status, %02x", b)
		}
	}
	for code := 980; code < 1050; code++ {
		want := "1002"
		if code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 {
			want = strconv.Itoa(code)
		}
		add(want, masked(finClose, statusBytes(code)), "closed with %d", code)
	}
	for _, code := range []int{0, 1, 2, 125, 126, 255, 256, 500, 900, 1100, 1500, 1999, 2000, 2001, 2500, 2998, 2999, 5000, 5001, 6000, 9999, 32767, 32768, 65534, 65535} {
		add("1002", masked(finClose, statusBytes(code)), "closed with %d", code)
	}
	for _, code := range []int{3000, 3001, 3008, 3500, 3999, 4000, 4001, 4008, 4500, 4998, 4999} {
		add(strconv.Itoa(code), masked(finClose, statusBytes(code)), "closed with %d", code)
	}
	for _, n := range []int{1, 2, 60, 121, 122, 123} {
		add("1000", masked(finClose, statusBytes(1000)+strings.Repeat("r", n)), "closed for %d bytes of reasons", n)
	}
	for _, reason := range []string{"bye", "tschüß", "€", "𝄞", "\x00", "\x1b[31m", "\u007f", "\uFFFD", "\uFFFF", "\U0010FFFF", "\uFEFF", "\r\n", strings.Repeat("€", 41)} {
		add("3000", masked(finClose, statusBytes(3000)+reason), "closed for %q", reason)
	}
	for name, after := range map[string][]byte{
		"again":                     masked(finClose, statusBytes(1001)),
		"a ping":                    masked(finPing, "late"),
		"a message":                 masked(finText, "late"),
		"a reserved bit":            masked(finText|0x40, "late"),
		"an unmasked one":           {finText, 1, 'x'},
		"noise":                     []byte("GET / HTTP/1.1\r\n\r\n"),
		"much":                      bytes.Repeat(masked(finText, strings.Repeat("x", 1000)), 100),
		"half a frame":              {finText},
		"again, with a bad status":  masked(finClose, statusBytes(1005)),
		"again, with a bad reason":  masked(finClose, statusBytes(1000)+"\xff"),
		"again, without any status": masked(finClose, ""),
	} {
		add("1000", join(masked(finClose, statusBytes(1000)), after), "closed, and then %s", name)
	}

	// Section 5.5.2: floods. The last ping needs an answer, the others may have one.
	for _, n := range []int{2, 10, 1000} {
		var pings []byte
		for i := range n {
			pings = append(pings, masked(finPing, fmt.Sprint(i))...)
		}
		pong(fmt.Sprint(n-1), pings, "%d pings", n)
		add(stays, bytes.Repeat(masked(finPong, "x"), n), "%d pongs", n)
		pong("last", join(bytes.Repeat(join(masked(finPong, "x"), masked(finPing, "")), n), masked(finPing, "last")), "%d of both", n)
	}

	// Sections 5.2 and 7.1.1: the end of the connection within a frame.
	for _, frame := range [][]byte{masked(finPing, "hello"), stretched(finPing, 2, 5, "hello"), stretched(finPing, 8, 5, "hello"), masked(finClose, statusBytes(1000)+"bye")} {
		for cut := range len(frame) {
			all = append(all, frameCase{name: fmt.Sprintf("%d bytes of %q", cut, frame), send: frame[:cut], hang: true, want: dropped})
		}
	}
	all = append(all, frameCase{name: "a message that ends early", send: stretched(finText, 8, 1000, "abc"), hang: true, want: "1008"})
	return all
}

// A rawSocket is a client's side of a WebSocket, without any code to get it right.
type rawSocket struct {
	net.Conn
	r       *bufio.Reader
	deflate bool // was negotiated
}

// rawDial sends a handshake and returns the answer to it.
func rawDial(addr, request string) (*rawSocket, *http.Response, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	s := &rawSocket{Conn: c, r: bufio.NewReader(c)}
	io.WriteString(c, request)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(s.r, &http.Request{Method: method})
	if err != nil {
		c.Close()
		return s, resp, err
	}
	s.deflate = resp.Header.Get("Sec-WebSocket-Extensions") != ""
	return s, resp, err
}

// next returns the next control frame, or [io.EOF]. What a server must not send is an
// error (RFC 6455, section 5).
func (s *rawSocket) next() (opcode byte, payload string, err error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			if errors.Is(err, net.ErrClosed) || isReset(err) {
				err = io.EOF
			}
			return 0, "", err
		}
		size := uint64(head[1])
		switch size {
		case 126:
			var n uint16
			err = binary.Read(s.r, binary.BigEndian, &n)
			if size = uint64(n); size < 126 {
				err = errors.New("the length is not in its shortest form")
			}
		case 127:
			err = binary.Read(s.r, binary.BigEndian, &size)
			if size <= 0xffff {
				err = errors.New("the length is not in its shortest form")
			}
		}
		if err != nil {
			return 0, "", err
		}
		if opcode = head[0] &^ finBit; s.deflate && opcode&^rsv1Bit <= opBinary {
			opcode &^= rsv1Bit
		}
		if head[0]&finBit == 0 || size>>63 != 0 || opcode > opPong || opcode == 0 || opcode > opBinary && opcode < opClose || opcode >= opClose && size > 125 {
			return 0, "", fmt.Errorf("a bad frame %x", head)
		}
		p := make([]byte, size)
		if _, err := io.ReadFull(s.r, p); err != nil {
			return 0, "", err
		}
		if opcode >= opClose {
			return opcode, string(p), nil
		}
	}
}

// isReset tells whether the peer closed without having read all.
func isReset(err error) bool {
	return strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "forcibly closed")
}

// awaitPong reads until the pong.
func (s *rawSocket) awaitPong(payload string) error {
	for {
		opcode, p, err := s.next()
		if err != nil || opcode == opClose {
			return fmt.Errorf("no pong, but %x %q, %v", opcode, p, err)
		}
		if opcode == opPong && p == payload {
			return nil
		}
	}
}

// end reads to the end, and says what it is.
func (s *rawSocket) end() (string, error) {
	for {
		opcode, p, err := s.next()
		if err == io.EOF {
			return dropped, nil
		}
		if err != nil {
			return "", err
		}
		if opcode != opClose {
			continue
		}
		s.Conn.(*net.TCPConn).CloseWrite()
		if opcode, after, err := s.next(); err != io.EOF {
			return "", fmt.Errorf("after the close frame came %x %q, %v", opcode, after, err)
		}
		if len(p) == 0 {
			return noStatus, nil
		}
		if len(p) == 1 || !utf8.ValidString(p[2:]) {
			return "", fmt.Errorf("a bad close frame %q", p)
		}
		return strconv.Itoa(int(binary.BigEndian.Uint16([]byte(p)))), nil
	}
}

// try plays a case and returns its end.
func (tt frameCase) try(addr, extra string) (string, error) {
	s, resp, err := rawDial(addr, upgrade(addr, "\r\n\r\n", "\r\n"+extra+"\r\n"))
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return "", fmt.Errorf("the handshake: %v, %w", resp, err)
	}
	defer s.Close()
	s.Write(tt.send)
	if tt.hang {
		s.Conn.(*net.TCPConn).CloseWrite()
	}
	if tt.pong != nil {
		if err := s.awaitPong(*tt.pong); err != nil {
			return "", err
		}
	}
	if tt.want == stays {
		s.Write(masked(finPing, "alive"))
		if err := s.awaitPong("alive"); err != nil {
			return "", err
		}
		s.Write(masked(finClose, statusBytes(1000)))
		if end, err := s.end(); end != "1000" || err != nil {
			return "", fmt.Errorf("it can't be closed: %s, %w", end, err)
		}
		return stays, nil
	}
	return s.end()
}

// A neighbour is a viewer who does nothing wrong.
type neighbour struct {
	c    *websocket.Conn
	data []byte
}

// unharmed tells whether the neighbour gets what is written now.
func (n *neighbour) unharmed(b *bench, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fmt.Fprintf(b, "%s\n", what)
	for !bytes.Contains(n.data, []byte(what+"\n")) {
		kind, p, err := n.c.Read(ctx)
		if err != nil {
			return err
		}
		if kind == websocket.MessageBinary {
			n.data = append(n.data, p...)
		}
	}
	n.data = n.data[:0]
	return nil
}

// everyCase calls f for each of n cases, many at a time, and then looks after a
// neighbour.
func (b *bench) everyCase(n int, f func(i int)) {
	const workers = 16
	var wg sync.WaitGroup
	for w := range workers {
		who := &neighbour{c: b.dial("?n=0", subprotocol)}
		if _, _, err := who.c.Read(b.t.Context()); err != nil { // hello
			b.t.Fatal(err)
		}
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
				if err := who.unharmed(b, fmt.Sprintf("case %d", i)); err != nil {
					b.t.Errorf("the neighbour of case %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestFrames(t *testing.T) {
	b := serve(t, Options{Deflate: true})
	n := 0
	for sub, header := range map[string]string{
		"plain":    "",
		"wsrun.v1": "Sec-WebSocket-Protocol: wsrun.v1\r\n",
		"deflate":  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
	} {
		if testing.Short() && sub != "plain" {
			continue
		}
		cases := frameCases(sub == "deflate")
		n += len(cases)
		b.everyCase(len(cases), func(i int) {
			if end, err := cases[i].try(b.addr, header); end != cases[i].want || err != nil {
				t.Errorf("%s, %s: %s, %v; want %s", sub, cases[i].name, end, err, cases[i].want)
			}
		})
	}
	t.Logf("%d cases", n)
}
