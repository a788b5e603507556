//go:build linux

package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsrun/internal/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted serves the answer to the handshake with some headers, then bytes, to every
// viewer, and then runs talk, if it isn't nil. It returns its address, and waits at the
// test's end.
func scripted(t *testing.T, headers string, bytes []byte, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+headers+"\r\n")
				for part := range slices.Chunk(bytes, 997) {
					conn.Write(part)
				}
				if talk != nil {
					talk(conn)
				}
				io.Copy(io.Discard, conn)
			})
		}
	})
	return l.Addr().String()
}

// frame is a frame without a mask.
func frame(first byte, payload []byte) []byte {
	head := []byte{first, byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(len(payload)))
	}
	return append(head, payload...)
}

var wire = form{opcode: protocol.OpBinary, lineBytes: lineBytes}

// see returns what viewers see that want so many lines.
func see(t *testing.T, p loadPlan) result {
	t.Helper()
	l, err := startLoad(p)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := l.wait(ctx, l.opened); err != nil {
		t.Fatal(err)
	}
	if err := l.wait(ctx, l.complete); err != nil {
		t.Fatal(err)
	}
	r, err := l.finish(p.want)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// packer returns a function that compresses messages, one after the other.
func packer(takeover bool) func([]byte) []byte {
	var buf bytes.Buffer
	w, _ := flate.NewWriter(&buf, flate.BestSpeed)
	return func(p []byte) []byte {
		buf.Reset()
		if !takeover {
			w.Reset(&buf)
		}
		w.Write(p)
		w.Flush()
		return bytes.Clone(bytes.TrimSuffix(buf.Bytes(), []byte("\x00\x00\xff\xff")))
	}
}

func TestFaults(t *testing.T) {
	const all, messageLines, viewers = 1000, 5, 3
	texts := makeTexts(all)
	numbers := make([]int, all)
	for i := range numbers {
		numbers[i] = i
	}
	swapped := slices.Clone(numbers)
	swapped[500], swapped[501] = 501, 500
	torn := func(p []byte) []byte { p[50*lineBytes+70] ^= 1; return p }
	whole := func(p []byte) []byte { return p }

	for name, test := range map[string]struct {
		numbers []int
		change  func([]byte) []byte
		sampled faults // what each sampled viewer should see
		counted faults // and each of those whose bytes alone are counted
	}{
		"whole":      {numbers, whole, faults{}, faults{}},
		"lost":       {slices.Delete(slices.Clone(numbers), 500, 503), whole, faults{lost: 3}, faults{lost: 3}},
		"lost end":   {numbers[:all-1], whole, faults{lost: 1}, faults{lost: 1}},
		"cut":        {numbers, func(p []byte) []byte { return p[:len(p)-1] }, faults{lost: 1}, faults{lost: 1}},
		"doubled":    {slices.Insert(slices.Clone(numbers), 500, 3, 4), whole, faults{doubled: 2}, faults{doubled: 2}},
		"disordered": {swapped, whole, faults{disordered: 1}, faults{}},
		"damaged":    {numbers, torn, faults{damaged: 1, lost: 1}, faults{}},
	} {
		var output []byte
		for _, n := range test.numbers {
			output = texts.line(output, n, time.Now())
		}
		output = test.change(output)
		pack, packAlone := packer(true), packer(false)
		for _, way := range []struct {
			name    string
			headers string
			message func([]byte) []byte // its frames
			deflate bool
		}{
			{name: "plain", message: func(p []byte) []byte { return frame(0x82, p) }},
			{name: "fragments and events", message: func(p []byte) []byte {
				return slices.Concat(frame(0x81, []byte(`{"event":"viewers","n":3}`)), frame(0x02, p[:7]), frame(0x89, nil), frame(0x80, p[7:]))
			}},
			{name: "deflate", headers: "Sec-WebSocket-Extensions: permessage-deflate\r\n", deflate: true,
				message: func(p []byte) []byte { return frame(0xc2, pack(p)) }},
			{name: "deflate without takeover", headers: "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n", deflate: true,
				message: func(p []byte) []byte { return frame(0xc2, packAlone(p)) }},
		} {
			t.Run(name+", "+way.name, func(t *testing.T) {
				var frames []byte
				for p := range slices.Chunk(output, messageLines*lineBytes) {
					frames = append(frames, way.message(p)...)
				}
				frames = append(frames, frame(0x88, []byte{1000 >> 8, 1000 & 0xff})...)
				addr := scripted(t, way.headers, frames, func(c net.Conn) { c.(*net.TCPConn).CloseWrite() })
				want := func(one faults) (sum faults) {
					for range viewers {
						sum.add(one)
					}
					return sum
				}
				plan := loadPlan{addr: addr, form: wire, viewers: viewers, sampled: viewers, deflate: way.deflate, texts: texts, want: all}
				r := see(t, plan)
				if r.faults != want(test.sampled) {
					t.Errorf("sampled viewers see %+v, not %+v", r.faults, want(test.sampled))
				}
				if len(r.delays) == 0 || r.delays[0] <= 0 || r.quantile(1) > 10*time.Second {
					t.Errorf("%d delays up to %v", len(r.delays), r.quantile(1))
				}
				others := test.counted
				if way.deflate {
					others = test.sampled
					if r.wire >= int64(viewers*len(output)) {
						t.Errorf("%d bytes on the wire", r.wire)
					}
				}
				plan.sampled = 0
				if r := see(t, plan); r.faults != want(others) || len(r.delays) > 0 {
					t.Errorf("viewers without a sample see %+v, not %+v, and %d delays", r.faults, want(others), len(r.delays))
				}
			})
		}
	}
}

// TestDropped hangs up without a close frame, in the middle.
func TestDropped(t *testing.T) {
	texts := makeTexts(2)
	addr := scripted(t, "", frame(0x82, texts.line(nil, 0, time.Now())), func(c net.Conn) { c.(*net.TCPConn).CloseWrite() })
	r := see(t, loadPlan{addr: addr, form: wire, viewers: 3, sampled: 1, texts: texts, want: 2})
	if r.dropped != 3 || r.lost != 3 {
		t.Errorf("%d dropped, %d lines lost", r.dropped, r.lost)
	}
}

func TestPong(t *testing.T) {
	pong := make(chan []byte, 1)
	addr := scripted(t, "", frame(0x89, []byte("hello")), func(c net.Conn) {
		p := make([]byte, 11)
		io.ReadFull(c, p)
		pong <- p
		c.(*net.TCPConn).CloseWrite()
	})
	see(t, loadPlan{addr: addr, form: wire, viewers: 1})
	if p := <-pong; string(p) != "\x8a\x85\x00\x00\x00\x00hello" {
		t.Errorf("%q", p)
	}
}

// TestCutFrames has a viewer read frames of all lengths a few bytes at a time.
func TestCutFrames(t *testing.T) {
	want := bytes.Repeat([]byte("x"), 70_000)
	var frames []byte
	for _, size := range []int{0, 125, 126, len(want)} {
		frames = append(append(frames, protocol.FrameHead(protocol.OpBinary, size)...), want[:size]...)
	}
	for step := 1; step <= 11; step++ {
		v := viewer{fd: -1, form: wire, open: true}
		for part := range slices.Chunk(frames, step) {
			if err := v.take(part, 0); err != nil {
				t.Fatal(err)
			}
		}
		if v.messages != 4 || v.data != int64(125+126+len(want)) || v.headBytes != 0 || v.left != 0 {
			t.Errorf("%d bytes at a time: %d messages of %d bytes", step, v.messages, v.data)
		}
	}
}

// TestMessages has lines without an end, as websocketd sends them.
func TestMessages(t *testing.T) {
	texts := makeTexts(10)
	var frames []byte
	for n := range 10 {
		frames = append(frames, frame(0x81, texts.line(nil, n, time.Now())[:lineBytes-1])...)
	}
	addr := scripted(t, "", frames, nil)
	r := see(t, loadPlan{addr: addr, form: form{opcode: protocol.OpText, lineBytes: lineBytes - 1, perMessage: true}, viewers: 2, sampled: 1, texts: texts, want: 10})
	if r.faults != (faults{}) || r.messages != 20 {
		t.Errorf("%+v, %d messages", r.faults, r.messages)
	}
}

func TestRefused(t *testing.T) {
	l, err := startLoad(loadPlan{addr: scripted(t, "\r\nnot a frame", nil, nil), form: wire, viewers: 1, want: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := l.wait(t.Context(), l.complete); err == nil || !strings.Contains(err.Error(), "viewer 0") {
		t.Errorf("%v", err)
	}
}

// TestSpread says who is sampled: nobody who is stopped, as many as there should be.
func TestSpread(t *testing.T) {
	for _, p := range []loadPlan{{viewers: 1, sampled: 50}, {viewers: 1000, sampled: 50}, {viewers: 1000, sampled: 50, stopped: 100}, {viewers: 7, sampled: 3, stopped: 3}} {
		n, stopped := 0, 0
		for i := range p.viewers {
			if p.isStopped(i) {
				stopped++
			}
			if p.isSampled(i) {
				n++
			}
		}
		if n != min(p.sampled, p.readers()) || stopped != p.stopped {
			t.Errorf("%+v: %d sampled, %d stopped", p, n, stopped)
		}
	}
}

func TestQuantile(t *testing.T) {
	var r result
	for i := range 100 {
		r.delays = append(r.delays, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := r.quantile(q); got != want {
			t.Errorf("%g: %d, not %d", q, got, want)
		}
	}
}

// TestRawfan measures the yardstick with few viewers.
func TestRawfan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rawfan")
	if out, err := exec.Command("go", "build", "-o", path, "../rawfan").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := fan{viewers: 5, stopped: 1, rate: 1000, lines: 100}.run(t.Context(), programs{rawfan: path}.startRawfan)
	if err != nil {
		t.Fatal(err)
	}
	if f["faults"] != 0 || f["cpu"] <= 0 || f["p50"] <= 0 || f["wire"] < 4*100*lineBytes {
		t.Errorf("%v", f)
	}
}

// TestEnd ends a run early: the server must end with it.
func TestEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("enough")
	s, err := start(ctx, wire, "", exec.Command("sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	cancel(gone)
	select {
	case <-s.launched.Done():
	case <-time.After(startTime):
		t.Error("the server runs on")
	}
	if err := s.settle(ctx); err != gone {
		t.Errorf("%v", err)
	}
	s.stop()
}
