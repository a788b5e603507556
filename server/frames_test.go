package server

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"wsrun/test/peer"
)

// stays is the outcome of a frame case after which the WebSocket still works.
const stays = "stays"

// A frameCase is data that a client sends after a good handshake, and its outcome.
type frameCase struct {
	name string
	send []byte
	hang bool    // the client half-closes the connection after the data
	pong *string // payload of a pong that the server must send first
	want string  // stays, or as peer.Conn.End returns
}

// play plays the case and returns its outcome. The handshake has the extra header lines.
func (tt frameCase) play(addr, extra string) (string, error) {
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
			if end, err := cases[i].play(b.addr, header); end != cases[i].want || err != nil {
				t.Errorf("%s, %s: %s, %v; want %s", sub, cases[i].name, end, err, cases[i].want)
			}
		})
	}
	t.Logf("%d cases", n)
}
