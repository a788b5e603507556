//go:build linux

package bench

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"wsrun/internal/client"
)

// BenchmarkFirstByte is the time to the first byte of 100 lines from line 5,000,000 on, of 1 GiB of output that is in the
// history: when wsrun is idle, and while it takes more output and a viewer follows.
func BenchmarkFirstByte(b *testing.B) {
	f := startFlooding(b, 10<<20, "--history", "3GiB")
	f.open()
	awaitEnd(b, f.addr)
	b.Run("idle", func(b *testing.B) { reportFirstByte(b, f.addr, 1) })

	stop := make(chan struct{})
	defer close(stop)
	r, w := io.Pipe()
	flooded, addr := start(b, r, "--history", "3GiB")
	defer flooded.Stop()
	go flood(w, stop)
	for lines := int64(0); lines < 6_000_000; time.Sleep(10 * time.Millisecond) {
		lines = hello(b, addr).Line
	}
	go func() {
		v, err := client.Dial(context.Background(), "ws://"+addr+"/", client.Options{})
		for err == nil {
			_, err = v.Next(context.Background())
		}
	}()
	b.Run("flood", func(b *testing.B) { reportFirstByte(b, addr, 20) })
}

// flood writes lines of 100 bytes as fast as it can until stop is closed.
func flood(w io.WriteCloser, stop <-chan struct{}) {
	defer w.Close()
	text := slices.Repeat([]byte("a line of a log that has a hundred bytes, as many lines of logs have, more or less, on the average\n"), 1000)
	for {
		select {
		case <-stop:
			return
		default:
		}
		if _, err := w.Write(text); err != nil {
			return
		}
	}
}

// reportFirstByte measures a request at least so often.
func reportFirstByte(b *testing.B, addr string, least int) {
	var times []time.Duration
	for b.Loop() {
		for range least {
			times = append(times, firstByte(b, addr))
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "ms-max")
}

// firstByte returns the time from a request's first byte to the response's.
func firstByte(b *testing.B, addr string) time.Duration {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	io.WriteString(conn, "GET /?from=5000000&n=100 HTTP/1.1\r\nHost: "+addr+"\r\nConnection: close\r\n\r\n")
	r := bufio.NewReader(conn)
	if head, err := r.Peek(len("HTTP/1.1 200")); err != nil || string(head) != "HTTP/1.1 200" {
		b.Fatalf("%q, %v", head, err)
	}
	return time.Since(began)
}
