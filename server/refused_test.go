//go:build unix

package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wsrun/internal/access"
	"wsrun/internal/logs"
	"wsrun/test/htpasswd"
)

// Bounds on what a refused request of 16 KiB may cost, together with the client, which is in
// the same process. The CPU time is not compared with a number of milliseconds but with that of
// the cheapest kind of request: their ratio is much the same on a slow machine, on a busy one
// and with the race detector.
const (
	maxRatio      = 20
	maxAllocated  = 16 * headerBytes // net/http and the client take a quarter of it
	maxHeapGrowth = 64 << 20
)

// TestRefusedRequestsAreCheap bounds what each kind of request that gets no output costs, however
// many arrive. Meanwhile, a client that has logged in gets its answers.
func TestRefusedRequestsAreCheap(t *testing.T) {
	n := 1000
	if testing.Short() || raceDetector() {
		n = 100
	}
	file := newLogFile(t)
	servers, compiled := newRefusedServers(t, file)
	_, cookie := servers.token.login(url.Values{"token": {"secret"}})
	authorized := int64(0)
	kinds := refusedKinds(servers)
	kinds[0].send(t, n, func() {}) // warms up
	var cheap, worst refusedCost
	var table strings.Builder
	for i, kind := range kinds {
		c := kind.send(t, n, func() {
			authorized++
			resp, body := servers.token.get("/a.log?grep=hush", "Cookie", cookie.String(), "Sec-Fetch-Site", "same-origin")
			if resp.StatusCode != 200 || body != logContent {
				t.Errorf("%s: meanwhile, a request with the cookie gets %s, %q", kind.name, resp.Status, body)
			}
		})
		if i == 0 {
			cheap = c
		}
		ratio := float64(c.cpu) / float64(cheap.cpu)
		fmt.Fprintf(&table, "%-32s %5d µs of CPU %4.1f x %4d KiB allocated %6d KiB more heap\n",
			kind.name, c.cpu.Microseconds(), ratio, c.allocated>>10, c.heap>>10)
		if ratio > maxRatio || c.allocated > maxAllocated || c.heap > maxHeapGrowth {
			t.Errorf("%s: a request costs %v of CPU (%v for %s) and %d bytes, and the heap grows by %d bytes",
				kind.name, c.cpu, cheap.cpu, kinds[0].name, c.allocated, c.heap)
		}
		worst = refusedCost{max(worst.cpu, c.cpu), max(worst.allocated, c.allocated), max(worst.heap, c.heap)}
	}
	t.Logf("for each of %d requests, client included:\n%s", n, &table)
	if got := compiled.Load(); got != authorized {
		t.Errorf("grep was compiled %d times for %d authorized requests", got, authorized)
	}
	if got := int64(file.asked.Load()); got != authorized {
		t.Errorf("files were opened %d times for %d authorized requests", got, authorized)
	}
	t.Attr("promise", "a refused request costs little, whatever it asks for")
	t.Attr("figure", fmt.Sprintf("%d kinds of 16 KiB, client included: at most %d µs of CPU (%.1f times the cheapest), "+
		"%d KiB allocated and %d KiB more heap; grep compiled %d times",
		len(kinds), worst.cpu.Microseconds(), float64(worst.cpu)/float64(cheap.cpu),
		worst.allocated>>10, worst.heap>>10, compiled.Load()-authorized))
}

// raceDetector reports whether this test runs with the race detector, which makes it six times
// slower.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// newRefusedServers returns servers, and counts how often they compile an expression.
func newRefusedServers(t *testing.T, file *logFile) (s refusedServers, compiled *atomic.Int64) {
	compiled = new(atomic.Int64)
	compiler := logs.NewCompiler()
	compile := func(ctx context.Context, expr string, invert bool) (logs.Filter, error) {
		compiled.Add(1)
		return compiler.Compile(ctx, expr, invert)
	}
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"ann": 4})
	users, err := access.OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	embedders := []string{"https://friend.example"}
	return refusedServers{
		token:        serve(t, Options{Catalog: file, Token: "secret", AllowOrigins: embedders, compile: compile}),
		users:        serve(t, Options{Catalog: newLogFile(t), Users: users, compile: compile}),
		base:         serve(t, Options{Catalog: newLogFile(t), Token: "secret", Base: "/logs/", compile: compile}),
		allAddresses: serve(t, Options{Catalog: newLogFile(t), Token: "secret", Host: "0.0.0.0", compile: compile}),
	}, compiled
}

// A refusedCost is what requests cost: the CPU time and the allocated bytes of each, and how
// much larger the heap was meanwhile.
type refusedCost struct {
	cpu             time.Duration
	allocated, heap uint64
}

// send sends the request n times over sixteen connections at a time, and calls meanwhile ten
// times. It returns once every request has been answered.
func (k refusedKind) send(t *testing.T, n int, meanwhile func()) (c refusedCost) {
	t.Helper()
	const conns = 16
	request := k.request()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := cpuTime()
	var left atomic.Int64
	left.Store(int64(n))
	var addresses atomic.Int32
	var mu sync.Mutex // guards heap
	heap := before.HeapInuse
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			for left.Load() > 0 {
				var from net.Addr
				if a := addresses.Add(1); k.spread {
					from = &net.TCPAddr{IP: net.IPv4(127, 1, byte(a>>8), byte(a))}
				}
				if err := k.sendFrom(from, request, &left); err != nil {
					t.Errorf("%s: %v", k.name, err)
					return
				}
				mu.Lock()
				heap = max(heap, heapInUse())
				mu.Unlock()
			}
		})
	}
	for range 10 {
		meanwhile()
	}
	wg.Wait()
	cpu := cpuTime() - began
	runtime.ReadMemStats(&after)
	return refusedCost{cpu / time.Duration(n), (after.TotalAlloc - before.TotalAlloc) / uint64(n), heap - before.HeapInuse}
}

// sendFrom sends up to five requests, as many as an address may have wrong attempts in a second,
// over one connection, and checks the answers.
func (k refusedKind) sendFrom(from net.Addr, request []byte, left *atomic.Int64) error {
	d := net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", k.server.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	in := bufio.NewReader(c)
	for range 5 {
		if left.Add(-1) < 0 {
			return nil
		}
		if _, err := c.Write(request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		isPage, leaks := strings.HasPrefix(string(body), doctype), strings.Contains(string(body), strings.TrimSpace(logContent))
		if !slices.Contains(k.want, resp.StatusCode) || isPage != (resp.StatusCode == 200) || leaks {
			return fmt.Errorf("%s, want %d: %.200q", resp.Status, k.want, body)
		}
		if resp.Close {
			return nil
		}
	}
	return nil
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// heapInUse returns what [runtime.MemStats.HeapInuse] does, without stopping the world.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() + sample[1].Value.Uint64()
}
