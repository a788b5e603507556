package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/test/peer"
)

// mutate returns a copy of p with up to four random changes.
func mutate(r *rand.Rand, p []byte) []byte {
	p = bytes.Clone(p)
	for range r.IntN(5) {
		if len(p) == 0 {
			return p
		}
		at := r.IntN(len(p))
		to := min(at+1+r.IntN(8), len(p))
		switch r.IntN(8) {
		case 0:
			p[at] ^= 1 << r.IntN(8)
		case 1:
			p[at] = byte(r.Uint32())
		case 2:
			p[at] = []byte{0, 1, 0x7d, 0x7e, 0x7f, 0x80, 0x88, 0x89, 0xfd, 0xfe, 0xff, '\r', '\n'}[r.IntN(13)]
		case 3:
			p = append(p[:at], p[to:]...)
		case 4:
			p = bytes.Join([][]byte{p[:to], p[at:]}, nil)
		case 5:
			p = p[:at]
		case 6:
			p = bytes.Join([][]byte{p[:at], {byte(r.Uint32()), byte(r.Uint32())}, p[at:]}, nil)
		case 7: // the header, which decides most
			p[r.IntN(min(len(p), 14))] = byte(r.Uint32())
		}
	}
	return p
}

// panics counts the panics that net/http logs.
type panics struct{ n atomic.Int64 }

func (p *panics) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("panic")) {
		p.n.Add(1)
		os.Stderr.Write(line)
	}
	return len(line), nil
}

// TestMutatedFrames sends frames and handshakes with random changes, which must neither panic,
// hang, leak nor disturb other viewers. WSRUN_SEED=N repeats a run.
func TestMutatedFrames(t *testing.T) {
	frames, each := 100_000, 20
	if testing.Short() {
		frames = 10_000
	}
	seed, err := strconv.ParseUint(os.Getenv("WSRUN_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("WSRUN_SEED=%d", seed)
	var log panics
	b := serve(t, Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	var good, lasting [][]byte // lasting frames don't keep the server from reading the next one
	for _, tt := range frameCases(false) {
		if len(tt.send) < 2000 {
			good = append(good, tt.send)
		}
		if tt.want == stays && len(tt.send) < 200 {
			lasting = append(lasting, tt.send)
		}
	}
	before := runtime.NumGoroutine()
	const batch = 25
	var upgraded atomic.Int64
	b.everyCase(frames/each/batch, func(i int) {
		for j := range batch {
			r := rand.New(rand.NewPCG(seed, uint64(i*batch+j)))
			request := []byte(peer.Upgrade(b.addr))
			if j%5 == 0 {
				request = mutate(r, request)
			}
			for range each {
				from := lasting
				if r.IntN(4) == 0 {
					from = good
				}
				request = append(request, mutate(r, from[r.IntN(len(from))])...)
			}
			answer, err := exchange(b.addr, request)
			if err != nil {
				t.Errorf("connection %d: %v", i*batch+j, err)
			}
			if bytes.HasPrefix(answer, []byte("HTTP/1.1 101")) {
				upgraded.Add(1)
			}
		}
	})
	if n := upgraded.Load(); n < int64(frames/each)*8/10 {
		t.Errorf("only %d became WebSockets", n)
	}
	if n := log.n.Load(); n > 0 {
		t.Errorf("%d panics", n)
	}
	const neighbours = 16
	b.awaitSlots(neighbours)
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+3*neighbours+10; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// exchange sends a request and returns everything that comes back until the connection ends.
func exchange(addr string, request []byte) ([]byte, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write(request)
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil && !peer.IsReset(err) {
		return answer, fmt.Errorf("no end: %w", err)
	}
	return answer, nil
}
