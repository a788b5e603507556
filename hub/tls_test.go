package hub

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

// A countingConn counts writes, each of which is a TLS record.
type countingConn struct {
	net.Conn
	writes atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// encrypted returns both ends of a TLS connection whose records are as large as they can be.
func encrypted(t *testing.T, certificates []tls.Certificate) (near net.Conn, far tlsConn, below *countingConn) {
	t.Helper()
	client, server := net.Pipe()
	below = &countingConn{Conn: server}
	far = tlsConn{tls.Server(below, &tls.Config{Certificates: certificates, DynamicRecordSizingDisabled: true})}
	near = tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	// What the server writes after the handshake must be read as well.
	shaken := make(chan error, 1)
	go func() {
		_, err := far.Write([]byte("x"))
		shaken <- err
	}()
	if _, err := io.ReadFull(near, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return near, far, below
}

// certificate returns any certificate.
func certificate(t *testing.T) []tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates
}

// However a message is cut into buffers, it takes as few TLS records as its size allows.
func TestTLSSendFillsRecords(t *testing.T) {
	near, far, below := encrypted(t, certificate(t))
	for _, sizes := range [][]int{
		{0}, {1}, {4, 0}, {4, 100, 2}, {4, recordBytes - 4}, {4, recordBytes - 3}, {recordBytes}, {recordBytes, 0, recordBytes},
		{4, 100 << 10}, {100 << 10, 4, 100 << 10}, {4, 4 << 10, 4 << 10, 4 << 10, 4 << 10}, {1, 2*recordBytes - 1, 0},
	} {
		var message net.Buffers
		for _, size := range sizes {
			p := make([]byte, size)
			rand.Read(p)
			message = append(message, p)
		}
		want := bytes.Join(message, nil)
		before := below.writes.Load()
		sent := make(chan error, 1)
		go func() { sent <- far.send(&message) }()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(near, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v: got something else, %v", sizes, err)
		}
		if err := <-sent; err != nil || len(message) > 0 {
			t.Errorf("%v: %v, %d buffers are left", sizes, err, len(message))
		}
		if n, want := below.writes.Load()-before, int64((len(want)+recordBytes-1)/recordBytes); n != want {
			t.Errorf("%v: %d records, want %d", sizes, n, want)
		}
	}
}

// A message that comes in pieces is sent once.
func TestTLSStream(t *testing.T) {
	near, far, _ := encrypted(t, certificate(t))
	w := wire{sender: far}
	out := make(chan Outcome, 1)
	go func() {
		out <- w.stream(protocol.OpText, 6, func(yield func([]byte) bool) { _ = yield([]byte("abc")) && yield([]byte("def")) })
		far.CloseWrite()
	}()
	want := string(protocol.FrameHead(protocol.OpText, 6)) + "abcdef"
	if got, err := io.ReadAll(near); string(got) != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if out := <-out; out != Following {
		t.Errorf("outcome %v", out)
	}
}

// A viewer that takes nothing holds no copy of a large message, only what is being encrypted.
func TestTLSSendHoldsLittle(t *testing.T) {
	const viewers, most = 50, 16 << 10
	certificates, payload := certificate(t), make([]byte, 1<<20)
	var sending sync.WaitGroup
	defer sending.Wait()
	var below []*countingConn
	var start []func()
	for range viewers {
		_, far, c := encrypted(t, certificates)
		below, start = append(below, c), append(start, func() { far.send(&net.Buffers{[]byte("head"), payload}) })
	}
	before := heap()
	for i, send := range start {
		writes := below[i].writes.Load()
		sending.Go(send)
		wait.For(t, wait.Patience, "nothing is sent", func() bool { return below[i].writes.Load() > writes })
	}
	if each := (heap() - before) / viewers; each > most {
		t.Errorf("a blocked viewer holds %d bytes, want %d at most", each, most)
	}
	for _, c := range below {
		c.Close()
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what is in a sync.Pool outlives one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
