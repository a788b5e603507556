package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
)

// stays is the end of a WebSocket that goes on.
const stays = "stays"

// A frameCase is what a client sends after a good handshake, and what comes of it.
type frameCase struct {
	name string
	send []byte
	hang bool    // the client sends nothing more, and says so
	pong *string // awaited first
	want string
}

// stretched returns a client's frame that tells its length in 2 or 8 bytes.
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
			pong(payload, peer.Masked(byte(first), payload), "first byte %02x", first)
			continue
		case opcode == protocol.OpPong:
			want = stays
		}
		add(want, peer.Masked(byte(first), payload), "first byte %02x", first)
	}

	// Section 5.1: without a mask.
	for _, first := range []byte{finText, finBin, protocol.OpText, 0, protocol.FinBit, finClose, finPing, finPong} {
		for _, payload := range []string{"", "hi", strings.Repeat("x", 125)} {
			add(peer.Dropped, append([]byte{first, byte(len(payload))}, payload...), "unmasked %02x of %d bytes", first, len(payload))
		}
	}
	// Section 5.3: with any.
	for _, key := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x01\x00\x00\x00", "\x00\x00\x00\x01", "\x80\x7f\x00\xff", "mask"} {
		pong("payload", peer.MaskedBy(finPing, "payload", key), "masked with %q", key)
		add("4001", peer.MaskedBy(finClose, peer.StatusBytes(4001), key), "closed, masked with %q", key)
	}

	// Sections 5.2 and 5.5: lengths.
	for n := range 126 {
		payload := strings.Repeat("p", n)
		pong(payload, peer.Masked(finPing, payload), "a ping of %d bytes", n)
	}
	for _, n := range []int{0, 1, 124, 125} {
		add(stays, peer.Masked(finPong, strings.Repeat("p", n)), "a pong of %d bytes that nobody asked for", n)
		// The shortest form MUST be used; nobody must enforce that.
		pong(strings.Repeat("p", n), stretched(finPing, 2, uint64(n), strings.Repeat("p", n)), "a ping of %d bytes, said in 2", n)
		pong(strings.Repeat("p", n), stretched(finPing, 8, uint64(n), strings.Repeat("p", n)), "a ping of %d bytes, said in 8", n)
	}
	for _, first := range []byte{finClose, finPing, finPong} {
		for _, n := range []int{126, 127, 1024, 65535, 65536} {
			add("1002", peer.Masked(first, peer.StatusBytes(1000)+strings.Repeat("x", n-2)), "control frame %02x of %d bytes", first, n)
		}
		for _, n := range []uint64{126, 1 << 16, 1 << 32, 1<<63 - 1} {
			add("1002", stretched(first, 8, n, ""), "control frame %02x said to have %d bytes", first, n)
		}
	}
	for _, first := range []byte{finText, finBin, protocol.OpText, protocol.OpBinary} {
		for _, n := range []int{0, 1, 125, 126, 127, 1023, 1024, 1025, 65535, 65536, 1 << 20} {
			add("1008", peer.Masked(first, strings.Repeat("x", n)), "message %02x of %d bytes", first, n)
		}
		for _, n := range []uint64{0, 1, 125, 126, 65535} {
			add("1008", stretched(first, 8, n, ""), "message %02x said in 8 to have %d bytes", first, n)
			add("1008", stretched(first, 2, n, ""), "message %02x said in 2 to have %d bytes", first, n)
		}
		for _, n := range []uint64{65536, 1 << 31, 1 << 32, 1 << 62, 1<<63 - 1} {
			add("1008", stretched(first, 8, n, "abc"), "message %02x said to have %d bytes", first, n)
		}
	}
	for _, first := range []byte{finText, finBin, protocol.OpText, protocol.FinBit, finClose, finPing, finPong} {
		for _, n := range []uint64{1 << 63, 1<<63 + 5, 1<<64 - 1} {
			add(peer.Dropped, stretched(first, 8, n, ""), "frame %02x of %x bytes: the first bit must be 0", first, n)
		}
	}

	// Section 5.4: fragments.
	for name, frames := range map[string][]byte{
		"two fragments":             join(peer.Masked(protocol.OpText, "a"), peer.Masked(protocol.FinBit, "b")),
		"three":                     join(peer.Masked(protocol.OpBinary, "a"), peer.Masked(0, "b"), peer.Masked(protocol.FinBit, "c")),
		"empty ones":                join(peer.Masked(protocol.OpText, ""), peer.Masked(0, ""), peer.Masked(0, ""), peer.Masked(protocol.FinBit, "")),
		"a ping between":            join(peer.Masked(protocol.OpText, "a"), peer.Masked(finPing, "p"), peer.Masked(protocol.FinBit, "b")),
		"a close between":           join(peer.Masked(protocol.OpText, "a"), peer.Masked(finClose, peer.StatusBytes(1000))),
		"a message within a text":   join(peer.Masked(protocol.OpText, "a"), peer.Masked(finText, "b")),
		"a message within bytes":    join(peer.Masked(protocol.OpBinary, "a"), peer.Masked(protocol.OpBinary, "b"), peer.Masked(protocol.FinBit, "c")),
		"a thousand, without end":   join(peer.Masked(protocol.OpText, "a"), bytes.Repeat(peer.Masked(0, "x"), 1000)),
		"a reserved bit on another": join(peer.Masked(protocol.OpText, "a"), peer.Masked(protocol.FinBit|0x40, "b")),
		"an unmasked other":         join(peer.Masked(protocol.OpText, "a"), []byte("\x80\x01b")),
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
		add(deflated, peer.Masked(finText|protocol.RSV1Bit, payload), "%s", name)
		add(deflated, join(peer.Masked(protocol.OpText|protocol.RSV1Bit, payload[:len(payload)/2]), peer.Masked(protocol.FinBit, payload[len(payload)/2:])), "%s, in two", name)
		add(deflated, join(peer.Masked(protocol.OpBinary|protocol.RSV1Bit, payload), peer.Masked(protocol.FinBit|protocol.RSV1Bit, payload)), "%s, twice", name)
		add("1002", peer.Masked(finPing|protocol.RSV1Bit, payload), "a ping, %s", name)
		add("1002", peer.Masked(finClose|protocol.RSV1Bit, payload), "a close, %s", name)
	}
	for name, frames := range map[string][]byte{
		"an end of nothing":             peer.Masked(protocol.FinBit, "x"),
		"a middle of nothing":           peer.Masked(0, "x"),
		"an empty end of nothing":       peer.Masked(protocol.FinBit, ""),
		"an end of nothing, but a pong": join(peer.Masked(finPong, ""), peer.Masked(protocol.FinBit, "x")),
		"fragments of a ping":           join(peer.Masked(protocol.OpPing, "a"), peer.Masked(protocol.FinBit, "b")),
		"fragments of a close":          join(peer.Masked(protocol.OpClose, peer.StatusBytes(1000)), peer.Masked(protocol.FinBit, "bye")),
	} {
		add("1002", frames, "%s", name)
	}

	// Text that is none: nobody looks, section 8.1 applies where it is read.
	for name, text := range notUTF8 {
		for cut := range len(text) + 1 {
			add("1008", join(peer.Masked(protocol.OpText, text[:cut]), peer.Masked(protocol.FinBit, text[cut:])), "text of %s, cut at %d", name, cut)
		}
		pong(text, peer.Masked(finPing, text), "a ping of %s", name)
		// But for the reason of a close, section 5.5.1: section 7.4.1 has a code for it.
		add("1007", peer.Masked(finClose, peer.StatusBytes(1000)+text), "closed for %s", name)
	}

	// Section 5.5.1: closing. 7.4: which status may be sent; IANA has added to these.
	add(peer.NoStatus, peer.Masked(finClose, ""), "closed without a status")
	for b := range 256 {
		if b%15 == 0 {
			add("1002", peer.Masked(finClose, string([]byte{byte(b)})), "closed with half a status, %02x", b)
		}
	}
	for code := 980; code < 1050; code++ {
		want := "1002"
		if code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 {
			want = strconv.Itoa(code)
		}
		add(want, peer.Masked(finClose, peer.StatusBytes(code)), "closed with %d", code)
	}
	for _, code := range []int{0, 1, 2, 125, 126, 255, 256, 500, 900, 1100, 1500, 1999, 2000, 2001, 2500, 2998, 2999, 5000, 5001, 6000, 9999, 32767, 32768, 65534, 65535} {
		add("1002", peer.Masked(finClose, peer.StatusBytes(code)), "closed with %d", code)
	}
	for _, code := range []int{3000, 3001, 3008, 3500, 3999, 4000, 4001, 4008, 4500, 4998, 4999} {
		add(strconv.Itoa(code), peer.Masked(finClose, peer.StatusBytes(code)), "closed with %d", code)
	}
	for _, n := range []int{1, 2, 60, 121, 122, 123} {
		add("1000", peer.Masked(finClose, peer.StatusBytes(1000)+strings.Repeat("r", n)), "closed for %d bytes of reasons", n)
	}
	for _, reason := range []string{"bye", "tschüß", "€", "𝄞", "\x00", "\x1b[31m", "\u007f", "\uFFFD", "\uFFFF", "\U0010FFFF", "\uFEFF", "\r\n", strings.Repeat("€", 41)} {
		add("3000", peer.Masked(finClose, peer.StatusBytes(3000)+reason), "closed for %q", reason)
	}
	for name, after := range map[string][]byte{
		"again":                     peer.Masked(finClose, peer.StatusBytes(1001)),
		"a ping":                    peer.Masked(finPing, "late"),
		"a message":                 peer.Masked(finText, "late"),
		"a reserved bit":            peer.Masked(finText|0x40, "late"),
		"an unmasked one":           {finText, 1, 'x'},
		"noise":                     []byte("GET / HTTP/1.1\r\n\r\n"),
		"much":                      bytes.Repeat(peer.Masked(finText, strings.Repeat("x", 1000)), 100),
		"half a frame":              {finText},
		"again, with a bad status":  peer.Masked(finClose, peer.StatusBytes(1005)),
		"again, with a bad reason":  peer.Masked(finClose, peer.StatusBytes(1000)+"\xff"),
		"again, without any status": peer.Masked(finClose, ""),
	} {
		add("1000", join(peer.Masked(finClose, peer.StatusBytes(1000)), after), "closed, and then %s", name)
	}

	// Section 5.5.2: floods. The last ping needs an answer, the others may have one.
	for _, n := range []int{2, 10, 1000} {
		var pings []byte
		for i := range n {
			pings = append(pings, peer.Masked(finPing, fmt.Sprint(i))...)
		}
		pong(fmt.Sprint(n-1), pings, "%d pings", n)
		add(stays, bytes.Repeat(peer.Masked(finPong, "x"), n), "%d pongs", n)
		pong("last", join(bytes.Repeat(join(peer.Masked(finPong, "x"), peer.Masked(finPing, "")), n), peer.Masked(finPing, "last")), "%d of both", n)
	}

	// Sections 5.2 and 7.1.1: the end of the connection within a frame.
	for _, frame := range [][]byte{peer.Masked(finPing, "hello"), stretched(finPing, 2, 5, "hello"), stretched(finPing, 8, 5, "hello"), peer.Masked(finClose, peer.StatusBytes(1000)+"bye")} {
		for cut := range len(frame) {
			all = append(all, frameCase{name: fmt.Sprintf("%d bytes of %q", cut, frame), send: frame[:cut], hang: true, want: peer.Dropped})
		}
	}
	all = append(all, frameCase{name: "a message that ends early", send: stretched(finText, 8, 1000, "abc"), hang: true, want: "1008"})
	return all
}

// try plays a case and returns its end.
func (tt frameCase) try(addr, extra string) (string, error) {
	s, resp, err := peer.RawDial(addr, peer.Upgrade(addr, "\r\n\r\n", "\r\n"+extra+"\r\n"))
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return "", fmt.Errorf("the handshake: %v, %w", resp, err)
	}
	defer s.Close()
	s.Write(tt.send)
	if tt.hang {
		s.Conn.(*net.TCPConn).CloseWrite()
	}
	if tt.pong != nil {
		if err := s.AwaitPong(*tt.pong); err != nil {
			return "", err
		}
	}
	if tt.want == stays {
		s.Write(peer.Masked(finPing, "alive"))
		if err := s.AwaitPong("alive"); err != nil {
			return "", err
		}
		s.Write(peer.Masked(finClose, peer.StatusBytes(1000)))
		if end, err := s.End(); end != "1000" || err != nil {
			return "", fmt.Errorf("it can't be closed: %s, %w", end, err)
		}
		return stays, nil
	}
	return s.End()
}

// A neighbour is a viewer who does nothing wrong.
type neighbour struct {
	v    *client.Viewer
	data []byte
}

// unharmed tells whether the neighbour gets what is written now.
func (n *neighbour) unharmed(b *bench, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fmt.Fprintf(b, "%s\n", what)
	for !bytes.Contains(n.data, []byte(what+"\n")) {
		m, err := n.v.Next(ctx)
		if err != nil {
			return err
		}
		if m.Event == nil {
			n.data = append(n.data, m.Payload...)
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
		who := &neighbour{v: b.dial("?n=0", protocol.Subprotocol)}
		if _, err := who.v.Next(b.t.Context()); err != nil { // hello
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
