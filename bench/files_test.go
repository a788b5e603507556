//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/test/launch"
)

// startFiles starts wsrun files for a new folder, and returns that and its address.
func startFiles(b *testing.B) (cmd *launch.Instance, addr, dir string) {
	b.Helper()
	dir, err := filepath.EvalSymlinks(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	cmd, addr = begin(b, launch.Command(wsrun, "files", dir))
	return cmd, addr, dir
}

func follow(b *testing.B, addr, path string) *client.Viewer {
	b.Helper()
	v, err := client.Dial(b.Context(), "ws://"+addr+path, client.Options{Plain: true})
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkBigFile is 2 GiB of lines: ms to the first of the last lines at a viewer,
// MB/s of a filter for a plain text on it, and the largest resident set in MiB.
func BenchmarkBigFile(b *testing.B) {
	cmd, addr, dir := startFiles(b)
	path := filepath.Join(dir, "big.log")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	line := strings.Repeat("2026-01-02T03:04:05Z INFO request served path=/index.html status=200 took=12ms\n", 1000)
	const size = 2 << 30
	w := bufio.NewWriterSize(f, 1<<20)
	for n := 0; n < size; n += len(line) {
		w.WriteString(line)
	}
	w.WriteString("the needle\n")
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	f.Close()
	var first, filter time.Duration
	for b.Loop() {
		begin := time.Now()
		c := follow(b, addr, path+"?tail=1&n=100")
		if _, err := c.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
		first += time.Since(begin)
		c.Close()
		begin = time.Now()
		resp, err := http.Get("http://" + addr + path + "?n=all&grep=needle")
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "the needle\n" {
			b.Fatalf("%q, %v", body, err)
		}
		filter += time.Since(begin)
	}
	cmd.Stop()
	b.ReportMetric(first.Seconds()*1000/float64(b.N), "ms-first")
	b.ReportMetric(size/1e6/(filter.Seconds()/float64(b.N)), "MB/s-grep")
	b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB")
}

// BenchmarkAppended appends 50,000 lines a second for 20 s with 50 viewers, each of
// which checks that it gets every line once and in order; ms-p99 is from the write
// to the viewer.
func BenchmarkAppended(b *testing.B) {
	const rate, viewers, duration = 50_000, 50, 20 * time.Second
	for b.Loop() {
		_, addr, dir := startFiles(b)
		path := filepath.Join(dir, "a.log")
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		total := rate * int(duration/time.Second)
		var late []time.Duration
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range viewers {
			c := follow(b, addr, path+"?tail=1&n=all")
			wg.Go(func() {
				defer c.Close()
				var rest []byte
				var lates []time.Duration
				for next := 0; next < total; {
					m, err := c.Next(context.Background())
					if err != nil {
						b.Error(err)
						return
					}
					now := time.Now()
					rest = append(rest, m.Payload...)
					first := true
					for {
						line, after, ok := bytes.Cut(rest, []byte("\n"))
						if !ok {
							break
						}
						rest = after
						n, at, _ := strings.Cut(string(line), " ")
						if n != strconv.Itoa(next) {
							b.Errorf("line %q, want %d", line, next)
							return
						}
						if next++; first { // the oldest of the frame
							first = false
							nano, _ := strconv.ParseInt(at, 10, 64)
							lates = append(lates, now.Sub(time.Unix(0, nano)))
						}
					}
				}
				mu.Lock()
				late = append(late, lates...)
				mu.Unlock()
			})
		}
		const step = 10 * time.Millisecond
		begin := time.Now()
		var block []byte
		for n := 0; n < total; {
			time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / rate)))
			block = block[:0]
			now := time.Now().UnixNano()
			for range rate / int(time.Second/step) {
				block = fmt.Appendf(block, "%d %d\n", n, now)
				n++
			}
			if _, err := f.Write(block); err != nil {
				b.Fatal(err)
			}
		}
		wg.Wait()
		f.Close()
		slices.Sort(late)
		b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "ms-p99")
	}
}

// An effort is what a wsrun files takes of the machine.
type effort struct {
	goroutines, descriptors, kib int
}

func measure(b *testing.B, cmd *launch.Instance, addr string) (e effort) {
	b.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	e.descriptors = len(fds)
	r, err := http.NewRequest("GET", "http://"+addr+"/-/status", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	var status struct{ Goroutines int }
	err = json.NewDecoder(resp.Body).Decode(&status)
	resp.Body.Close()
	if err != nil {
		b.Fatal(err)
	}
	e.goroutines = status.Goroutines
	memory, err := launch.Memory(cmd.Process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	e.kib = int(memory >> 10)
	return e
}

// BenchmarkManyFiles follows 200 files with 1,000 viewers. MiB-with is what memory
// that takes; once they have left and the files are let go, goroutines and
// descriptors must be as many as before, and MiB-left more memory at most the
// tolerance.
func BenchmarkManyFiles(b *testing.B) {
	const files, viewers = 200, 1000
	const tolerance = 12 << 10 // KiB: Go's heap has grown, and is kept in part
	const patience = 50 * time.Second
	cmd, addr, dir := startFiles(b)
	for b.Loop() {
		before := measure(b, cmd, addr)
		var conns []*client.Viewer
		for i := range viewers {
			path := filepath.Join(dir, strconv.Itoa(i%files))
			if i < files {
				if err := os.WriteFile(path, []byte(strings.Repeat("line\n", 1000)), 0o644); err != nil {
					b.Fatal(err)
				}
			}
			c := follow(b, addr, path+"?tail=1")
			if _, err := c.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
			conns = append(conns, c)
		}
		with := measure(b, cmd, addr)
		for _, c := range conns {
			c.Close()
		}
		var after effort
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			after = measure(b, cmd, addr)
			if after.goroutines == before.goroutines && after.descriptors == before.descriptors && after.kib <= before.kib+tolerance {
				break
			}
		}
		b.Logf("before %+v, with %d viewers %+v, after %+v", before, viewers, with, after)
		if with.goroutines < before.goroutines+viewers || with.descriptors < before.descriptors+files {
			b.Errorf("with them it takes %+v: are they there?", with)
		}
		if after.goroutines != before.goroutines || after.descriptors != before.descriptors || after.kib > before.kib+tolerance {
			b.Errorf("left behind: before %+v, after %+v", before, after)
		}
		b.ReportMetric(float64(with.kib)/1024, "MiB-with")
		b.ReportMetric(float64(after.kib-before.kib)/1024, "MiB-left")
		b.ReportMetric(float64(after.goroutines-before.goroutines), "goroutines-left")
		b.ReportMetric(float64(after.descriptors-before.descriptors), "descriptors-left")
	}
}
