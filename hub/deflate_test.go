package hub

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A countedConn counts the bytes read from it.
type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// dialDeflated connects a viewer that offers compression. It returns the viewer, the number of bytes
// read from the wire, and the extensions that the server has accepted.
func (f *fixture) dialDeflated(query string, mode websocket.CompressionMode, subprotocols ...string) (*client.Viewer, *atomic.Int64, string) {
	f.t.Helper()
	read := new(atomic.Int64)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countedConn{c, read}, err
	}}
	c, resp, err := websocket.Dial(f.t.Context(), "ws://"+f.addr+"/"+query, &websocket.DialOptions{
		Subprotocols: subprotocols, CompressionMode: mode, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	v := client.New(c)
	f.t.Cleanup(v.Close)
	return v, read, resp.Header.Get("Sec-WebSocket-Extensions")
}

// logLine returns a line like those in the log of a web server.
func logLine(r *rand.Rand, n int) string {
	return fmt.Sprintf("%d 192.168.%d.%d - - \"GET /api/items/%d HTTP/1.1\" %d %d\n",
		n, r.IntN(4), r.IntN(255), r.IntN(10_000), 200+r.IntN(3)*100, r.IntN(100_000))
}

// Every viewer gets what was written, whenever it joins and whatever compression it offers.
func TestDeflatedOutput(t *testing.T) {
	const takeover = "permessage-deflate"
	const bare = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
	for _, tt := range []struct {
		name         string
		mode         websocket.CompressionMode
		subprotocols []string
		answer       string
		most         float64 // bytes on the wire for each byte of output, at most
	}{
		{"with takeover", websocket.CompressionContextTakeover, []string{"wsrun.v1"}, takeover, 0.5},
		{"without", websocket.CompressionNoContextTakeover, []string{"wsrun.v1"}, bare, 1},
		{"plain, with takeover", websocket.CompressionContextTakeover, nil, takeover, 1},
		{"plain, without", websocket.CompressionNoContextTakeover, nil, bare, 1},
		{"not at all", websocket.CompressionDisabled, []string{"wsrun.v1"}, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := serve(t, broadcaster.Options{Lines: 1 << 20, Bytes: 64 << 20})
			r := rand.New(rand.NewPCG(1, 2))
			var all bytes.Buffer
			write := func(lines int) {
				var s strings.Builder
				for range lines {
					s.WriteString(logLine(r, all.Len()))
				}
				all.WriteString(s.String())
				b.Write([]byte(s.String()))
				b.Flush()
			}
			type result struct {
				joined int
				got    []byte
				wire   float64
			}
			results := make(chan result)
			viewers := 0
			watchFrom := func(query string, joined int) {
				c, read, answer := b.dialDeflated(query, tt.mode, tt.subprotocols...)
				if answer != tt.answer {
					t.Fatalf("answered %q, want %q", answer, tt.answer)
				}
				viewers++
				go func() {
					var got []byte
					for {
						m, err := c.Next(context.Background())
						if err != nil {
							break
						}
						if m.Event == nil {
							got = append(got, m.Payload...)
						}
					}
					results <- result{joined, got, float64(read.Load()) / float64(len(got))}
				}()
			}
			for i := range 20 {
				watchFrom("", -1)
				watchFrom("?n=0", all.Len())
				for range 10 {
					write(1 + r.IntN(1+i*i/2)) // some are large
				}
			}
			b.awaitAdded(viewers)
			for range 200 {
				write(2)
			}
			b.end(0)
			for range viewers {
				got := <-results
				// A viewer that asks for no backlog gets its start some time after it was accepted.
				if !bytes.HasSuffix(all.Bytes()[max(got.joined, 0):], got.got) || got.joined < 0 && len(got.got) != all.Len() || len(got.got) == 0 {
					t.Errorf("joined at %d of %d: %d bytes, or others", got.joined, all.Len(), len(got.got))
				}
				if len(got.got) > 100_000 && got.wire > tt.most {
					t.Errorf("%.2f of the bytes are on the wire, want %.2f", got.wire, tt.most)
				}
			}
		})
	}
}

// After a gap, a viewer is sent nothing that refers to output it has missed.
func TestDeflatedOutputAfterGap(t *testing.T) {
	b := serve(t, broadcaster.Options{Lines: 20}) // chunks small enough to be deflated with a dictionary
	r := rand.New(rand.NewPCG(3, 4))
	c, _, _ := b.dialDeflated("", websocket.CompressionContextTakeover, "wsrun.v1")
	b.hello(c)
	var all strings.Builder
	for all.Len() < 24<<20 { // more than the sockets, the ring and its grace hold
		line := strings.Repeat(logLine(r, all.Len()), 100)
		all.WriteString(line)
		b.Write([]byte(line))
	}
	for range 300 {
		line := logLine(r, 0)
		all.WriteString(line)
		b.Write([]byte(line))
		b.Flush()
	}
	b.end(0)
	at, resets := int64(0), 0
	for {
		m, err := c.Next(t.Context())
		if err != nil {
			break
		}
		if m.Event != nil {
			if e, ok := m.Event.(protocol.ResetEvent); ok {
				at = e.Offset
				resets++
			}
			continue
		}
		end := at + int64(len(m.Payload))
		if end > int64(all.Len()) || string(m.Payload) != all.String()[at:end] {
			t.Fatalf("other bytes at %d, after %d gaps", at, resets)
		}
		at = end
	}
	if at != int64(all.Len()) || resets == 0 {
		t.Errorf("ended at %d of %d, after %d gaps", at, all.Len(), resets)
	}
}

// A chunk is deflated once for each size of dictionary. The cache keeps the frames used last.
func TestDeflateCacheSharesFrames(t *testing.T) {
	stream := broadcaster.New(broadcaster.Options{})
	d := deflateCache{stream: stream}
	p := []byte(strings.Repeat("a line\n", 100))
	dicts := 0
	before := func(size int) []byte { dicts += size; return p }
	for range 3 {
		for _, frame := range []func() []byte{
			func() []byte { return d.frame(protocol.OpBinary, p, 0, before) },
			func() []byte { return d.frame(protocol.OpBinary, p, 1, before) },
			func() []byte { return d.frame(protocol.OpBinary, p, 2, before) },
			func() []byte { return d.frame(protocol.OpText, p, 0, before) },
		} {
			if a, b := frame(), frame(); &a[0] != &b[0] {
				t.Error("made twice")
			}
		}
		p = p[:len(p)-1] // another chunk
	}
	if dicts != 3*(1+2) {
		t.Errorf("the dictionaries have %d bytes in total", dicts)
	}
	first := d.frame(protocol.OpBinary, p, 0, before)
	for i := range 10 * minDeflated {
		d.frame(protocol.OpBinary, []byte(strings.Repeat("x", 1+i)), 0, before)
		if again := d.frame(protocol.OpBinary, p, 0, before); &again[0] != &first[0] {
			t.Fatal("a frame that is in use is dropped")
		}
	}
	if len(d.last) != minDeflated || cap(d.last) > 4*minDeflated {
		t.Errorf("%d frames are kept, of %d", len(d.last), cap(d.last))
	}
	stream.Write(make([]byte, 10*bytesPerDeflated))
	for i := range 10 * minDeflated {
		d.frame(protocol.OpBinary, []byte(strings.Repeat("y", 1+i)), 0, before)
	}
	if len(d.last) != minDeflated+10 {
		t.Errorf("%d frames are kept", len(d.last))
	}
}

// BenchmarkDeflate measures what it costs to deflate two lines with the largest dictionary.
func BenchmarkDeflate(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	var all []byte
	for len(all) < 1<<20 {
		all = append(all, logLine(r, len(all))...)
	}
	in, out := 0, 0
	for at := maxDict; b.Loop(); at = maxDict + (at+150)%(1<<19) {
		in += 150
		out += len(deflate(all[at:at+150], all[at-maxDict:at]))
	}
	b.ReportMetric(float64(in)/float64(out), "ratio")
	b.SetBytes(150)
	b.ReportAllocs()
}
