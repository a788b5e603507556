//go:build linux

// Package bench measures the built binary, ./wsrun: make bench.
package bench

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsrun/test/launch"
)

const wsrun = "../wsrun"

// start starts wsrun and returns its address, once it has announced it.
func start(b *testing.B, stdin io.Reader, args ...string) (*launch.Instance, string) {
	b.Helper()
	cmd := launch.Command(wsrun, append([]string{"-q"}, args...)...)
	cmd.Stdin = stdin
	return begin(b, cmd)
}

// begin starts cmd, which runs wsrun, and returns its address.
func begin(b *testing.B, cmd *exec.Cmd) (*launch.Instance, string) {
	b.Helper()
	i, err := launch.Start(cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(i.Stop)
	addr, err := i.Address(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return i, addr
}

// BenchmarkListening is the time from the start to the first answer.
func BenchmarkListening(b *testing.B) {
	for b.Loop() {
		cmd, addr := start(b, nil, "sleep", "60")
		resp, err := http.Get("http://" + addr + "/-/healthz")
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
		b.StopTimer()
		cmd.Stop()
		b.StartTimer()
	}
}

// BenchmarkMemory sends 2 GiB through a pipe; MiB is the largest resident set.
func BenchmarkMemory(b *testing.B) {
	for name, unit := range map[string]string{"lines": strings.Repeat("x", 99) + "\n", "no-newline": "xxxxxxxxxxxxxxxx"} {
		b.Run(name, func(b *testing.B) {
			chunk := strings.Repeat(unit, 64<<10/len(unit))
			for b.Loop() {
				r, w := io.Pipe()
				go func() {
					for sent := 0; sent < 2<<30; sent += len(chunk) {
						io.WriteString(w, chunk)
					}
					w.Close()
				}()
				cmd, _ := start(b, r)
				cmd.Wait()
				b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB")
			}
		})
	}
}

// BenchmarkStoppedViewers is the time of seq 1 1000000 with viewers that read
// nothing.
func BenchmarkStoppedViewers(b *testing.B) {
	for name, viewers := range map[string]int{"0": 0, "200": 200} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				r, w, err := os.Pipe()
				if err != nil {
					b.Fatal(err)
				}
				cmd, addr := start(b, r, "sh", "-c", "read x; seq 1 1000000")
				r.Close()
				var conns []net.Conn
				for range viewers {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						b.Fatal(err)
					}
					io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
						"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wsrun.v1\r\n\r\n")
					bufio.NewReaderSize(c, 16).ReadString('\n')
					conns = append(conns, c)
				}
				b.StartTimer()
				io.WriteString(w, "\n")
				for {
					resp, err := http.Get("http://" + addr + "/-/status")
					if err != nil {
						break
					}
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if strings.Contains(string(body), `"state":"ended"`) {
						break
					}
					time.Sleep(time.Millisecond)
				}
				b.StopTimer()
				for _, c := range conns {
					c.Close()
				}
				w.Close()
				cmd.Wait()
				b.StartTimer()
			}
		})
	}
}
