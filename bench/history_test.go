//go:build linux

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/launch"
)

// A viewing is what a wsrun.v1 viewer has seen of numbered lines.
type viewing struct {
	lines, resets int
	err           error // set if a line isn't the one after the last
}

// view reads to the end of the stream. A page takes its time: about 10 MB/s.
func view(addr string, page bool, begun func()) (v viewing) {
	var began sync.Once
	defer began.Do(begun)
	c, err := client.Dial(context.Background(), "ws://"+addr+"/", client.Options{})
	if err != nil {
		return viewing{err: err}
	}
	defer c.Close()
	var cut []byte
	for {
		m, err := c.Next(context.Background())
		if err != nil {
			if client.CloseCode(err) != protocol.CloseEnded {
				v.err = errors.Join(v.err, err)
			}
			return v
		}
		switch m.Event.(type) {
		case protocol.HelloEvent:
			began.Do(begun)
		case protocol.ResetEvent:
			v.resets++
			cut = nil
		case nil:
			if page {
				time.Sleep(time.Duration(len(m.Payload)) * 100 * time.Nanosecond)
			}
			cut = v.pass(append(cut, m.Payload...))
		}
	}
}

// pass counts lines and returns what is left.
func (v *viewing) pass(p []byte) []byte {
	for {
		line, rest, ok := bytes.Cut(p, []byte("\n"))
		if !ok {
			return bytes.Clone(p)
		}
		if n, err := strconv.Atoi(string(line[:min(9, len(line))])); err == nil {
			if n != v.lines && v.resets == 0 && v.err == nil {
				v.err = fmt.Errorf("line %d comes after %d others", n, v.lines)
			}
			v.lines++
		}
		p = rest
	}
}

// A flooding is a command that prints numbered lines of 100 bytes once its standard input has a line.
type flooding struct {
	*launch.Instance
	addr, dir string
	in        *os.File
}

func startFlooding(b *testing.B, lines int, args ...string) *flooding {
	b.Helper()
	dir := b.TempDir()
	var text bytes.Buffer
	for n := range lines {
		fmt.Fprintf(&text, "%09d %s\n", n, strings.Repeat("x", 88))
	}
	if err := os.WriteFile(filepath.Join(dir, "lines"), text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	i, addr := start(b, r, append(args, "--linger", "1m", "sh", "-c",
		`read x; cd "$1"; date +%s%N >began; cat lines; date +%s%N >ended`, "sh", dir)...)
	return &flooding{i, addr, dir, w}
}

// open lets the flood go.
func (f *flooding) open() { f.in.Close() }

// took returns how long the command took to print.
func (f *flooding) took(b *testing.B) time.Duration {
	b.Helper()
	var at [2]int64
	for i, name := range []string{"began", "ended"} {
		text, err := os.ReadFile(filepath.Join(f.dir, name))
		if err == nil {
			at[i], err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Duration(at[1] - at[0])
}

// BenchmarkFlood is a flood of 200,000 lines with the ring's default size, which is smaller. It reports how many lines
// were lost in all, how long the last viewer and the command took, and wsrun's processor time.
func BenchmarkFlood(b *testing.B) {
	const lines = 200_000
	for _, tt := range []struct {
		name    string
		viewers int
		page    bool
	}{{"no-viewer", 0, false}, {"page", 1, true}, {"1-viewer", 1, false}, {"50-viewers", 50, false}} {
		for _, history := range []string{"256MiB", "0"} {
			b.Run(tt.name+"/history="+history, func(b *testing.B) {
				var wall, took, used time.Duration
				var lost, resets int
				for b.Loop() {
					f := startFlooding(b, lines, "--history", history)
					var all, ready sync.WaitGroup
					ready.Add(tt.viewers)
					views := make([]viewing, tt.viewers)
					for i := range views {
						all.Go(func() { views[i] = view(f.addr, tt.page, ready.Done) })
					}
					ready.Wait()
					began := time.Now()
					f.open()
					all.Wait()
					if tt.viewers == 0 {
						awaitEnd(b, f.addr)
					}
					wall += time.Since(began)
					took += f.took(b)
					used += cpu(b, f.Process.Pid)
					for _, v := range views {
						if v.err != nil {
							b.Error(v.err)
						}
						lost += lines - v.lines
						resets += v.resets
					}
					f.Stop()
				}
				n := float64(b.N)
				b.ReportMetric(float64(lost)/n, "lost")
				b.ReportMetric(float64(resets)/n, "resets")
				b.ReportMetric(wall.Seconds()/n, "s-wall")
				b.ReportMetric(took.Seconds()/n, "s-command")
				b.ReportMetric(used.Seconds()/n, "s-cpu")
			})
		}
	}
}

// awaitEnd waits until the stream has ended.
func awaitEnd(b *testing.B, addr string) {
	b.Helper()
	for {
		resp, err := http.Get("http://" + addr + "/-/status")
		if err != nil {
			b.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(body), `"state":"ended"`) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkHistoryMemory is by how much 1 GiB of output makes wsrun's memory grow, while one viewer follows.
func BenchmarkHistoryMemory(b *testing.B) {
	for _, history := range []string{"2GiB", "0"} {
		b.Run("history="+history, func(b *testing.B) {
			for b.Loop() {
				f := startFlooding(b, 10<<20, "--history", history)
				begun, done := make(chan struct{}), make(chan viewing)
				go func() { done <- view(f.addr, false, func() { close(begun) }) }()
				<-begun
				before, err := launch.Memory(f.Process.Pid)
				if err != nil {
					b.Fatal(err)
				}
				var most atomic.Int64
				stop := make(chan struct{})
				var sampling sync.WaitGroup
				sampling.Go(func() {
					for {
						if now, err := launch.Memory(f.Process.Pid); err == nil {
							most.Store(max(most.Load(), now))
						}
						select {
						case <-stop:
							return
						case <-time.After(10 * time.Millisecond):
						}
					}
				})
				f.open()
				v := <-done
				close(stop)
				sampling.Wait()
				if history != "0" && (v.err != nil || v.resets > 0) {
					b.Errorf("%d resets, %v", v.resets, v.err)
				}
				b.ReportMetric(float64(most.Load()-before)/(1<<20), "MiB-grown")
				f.Stop()
			}
		})
	}
}
