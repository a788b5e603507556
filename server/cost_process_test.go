//go:build linux

package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wsrun/internal/client"
	"wsrun/test/launch"
	"wsrun/test/wait"
)

// A costSetting is what all wsruns of a test share.
type costSetting struct {
	wsrun     string // the binary
	files     string // a directory
	cert, key string
}

// newCostSetting builds wsrun, and writes the files that it serves: as large and as many as a slow
// request needs, divided by scale.
func newCostSetting(t *testing.T, scale int) costSetting {
	t.Helper()
	os.ReadDir("../cli") // makes go test's cached results depend on what is not imported
	dir := t.TempDir()
	s := costSetting{files: filepath.Join(dir, "files"), cert: filepath.Join(dir, "cert"), key: filepath.Join(dir, "key")}
	certify(t, s.cert, s.key, "cost")
	var err error
	if s.wsrun, err = launch.Build(dir); err != nil {
		t.Fatal(err)
	}
	writeCostFiles(t, s.files, scale)
	writeManyFiles(t, filepath.Join(s.files, "many"), 20_000/scale)
	return s
}

// writeCostFiles writes the large files.
func writeCostFiles(t *testing.T, dir string, scale int) {
	t.Helper()
	os.MkdirAll(dir, 0o700)
	write := func(name string, lines int, compress bool) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out := io.WriteCloser(f)
		if compress {
			out = gzip.NewWriter(f)
		}
		buffered := bufio.NewWriterSize(out, 64<<10)
		for i := range lines {
			fmt.Fprintf(buffered, "%07d line of a log with a number, of a hundred bytes or so, which is what many lines of logs have\n", i)
		}
		if err := buffered.Flush(); err != nil {
			t.Fatal(err)
		}
		out.Close()
	}
	write("big.log", 640_000/scale, false)
	write("old.gz", 300_000/scale, true)
	write("sparse.log", 0, false)
	if err := os.Truncate(filepath.Join(dir, "sparse.log"), 8<<30); err != nil {
		t.Fatal(err)
	}
}

// writeManyFiles writes n small files, 100 in each directory.
func writeManyFiles(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		name := filepath.Join(dir, strconv.Itoa(i/100), fmt.Sprintf("%d.log", i))
		if i%100 == 0 {
			os.MkdirAll(filepath.Dir(name), 0o700)
		}
		if err := os.WriteFile(name, []byte("a line\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A costProcess is a running wsrun, seen from outside.
type costProcess struct {
	*launch.Instance
	t      *testing.T
	addr   string
	client *http.Client
	scheme string            // http or https
	proxy  *httptest.Server  // in front of it
	names  *strings.Replacer // of what is in capitals in a row's path
	canary *costCanary
}

// start starts the wsrun of a case. It has a canary on a stream that goes on.
func (s costSetting) start(t *testing.T, on string, via transport) *costProcess {
	t.Helper()
	p := &costProcess{t: t, scheme: "http"}
	own := t.TempDir()
	args := []string{"files", s.files, own}
	if on != "files" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		args = []string{"-q", "-n", "1000000", "--buffer", fmt.Sprint(costRing), self}
	}
	if via == encrypted {
		p.scheme = "https"
		args = append(args[:len(args)-1:len(args)-1], "--tls-cert", s.cert, "--tls-key", s.key, args[len(args)-1])
	}
	p.run(s.wsrun, on, args)
	path := "/?n=0"
	if on == "files" {
		path = filepath.Join(own, "grow.log") + "?tail=1&n=0"
		t.Cleanup(keepGrowing(t, filepath.Join(own, "grow.log")))
		p.names = strings.NewReplacer("DIR", s.files, "OWN", own)
	}
	p.canary = watchCost(t, strings.Replace(p.scheme, "http", "ws", 1)+"://"+p.addr+path, p.client)
	p.canary.upToDate(t)
	if on != "files" {
		p.names = p.place()
	}
	if via == proxied {
		p.startProxy()
	}
	return p
}

// run starts wsrun and waits until it serves.
func (p *costProcess) run(path, child string, args []string) {
	p.t.Helper()
	cmd := launch.Command(path, args...)
	cmd.Env = append(cmd.Env, costVariable+"="+child)
	var err error
	if p.Instance, err = launch.Start(cmd); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.Stop)
	ctx, cancel := context.WithTimeout(p.t.Context(), wait.Patience)
	defer cancel()
	if p.addr, err = p.Address(ctx); err != nil {
		p.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: insecure}
	p.t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport}
}

// place returns the names of the stream's epoch and of an offset that is kept.
func (p *costProcess) place() *strings.Replacer {
	p.t.Helper()
	var st streamStatus
	if err := json.Unmarshal(p.get("/-/status"), &st); err != nil {
		p.t.Fatal(err)
	}
	return strings.NewReplacer("EPOCH", st.Epoch, "OFFSET", fmt.Sprint(st.Offset+(st.End-st.Offset)/2))
}

// get returns what a path has.
func (p *costProcess) get(path string) []byte {
	p.t.Helper()
	resp, err := p.client.Get(p.scheme + "://" + p.addr + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return body
}

// startProxy starts a proxy that keeps no connections.
func (p *costProcess) startProxy() {
	to := &url.URL{Scheme: p.scheme, Host: p.addr}
	p.proxy = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		FlushInterval: -1,
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		ErrorLog:      log.New(io.Discard, "", 0),
	})
	p.t.Cleanup(func() {
		p.proxy.CloseClientConnections()
		p.proxy.Close()
	})
}

var costGauge = regexp.MustCompile(`(?m)^(?:wsrun_viewers|wsrun_responses)\{.*\} (\d+)$`)

// serving returns how many viewers there are and how many responses are in progress or wait, without
// the canary.
func (p *costProcess) serving() int {
	p.t.Helper()
	sum := 0
	if p.canary != nil {
		sum = -1
	}
	for _, m := range costGauge.FindAllSubmatch(p.get("/-/metrics"), -1) {
		n, _ := strconv.Atoi(string(m[1]))
		sum += n
	}
	return sum
}

// cpu returns the CPU time that the process has used: that of proc_pid_stat(5), before it is cut to
// hundredths of a second.
func (p *costProcess) cpu() time.Duration {
	const scheduler = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.Process.Pid<<3|scheduler), &ts); err != nil {
		p.t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// memory returns the process's resident anonymous memory in bytes.
func (p *costProcess) memory() int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	_, value, ok := bytes.Cut(text, []byte("RssAnon:"))
	if !ok {
		p.t.Fatalf("wsrun is gone; it said %q", p.Said())
	}
	kib, _ := strconv.ParseInt(string(bytes.Fields(value)[0]), 10, 64)
	return kib << 10
}

// keepGrowing writes a file of 8 MiB, and then a line with the time to it on every beat, until stop is
// called.
func keepGrowing(t *testing.T, name string) (stop func()) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, strings.Repeat(strings.Repeat("a line with a 7 line ", 11)+"\n", 35_000))
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer f.Close()
		for tick := time.NewTicker(costBeat); ; {
			select {
			case <-tick.C:
				fmt.Fprintln(f, costStamp())
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// A costCanary is a viewer that measures how late the lines are that say when they were written.
type costCanary struct {
	worst, written atomic.Int64 // nanoseconds; of the last line
}

var costStamps = regexp.MustCompile(`ts=(\d+)\.`)

// watchCost starts a canary, which ends with the test.
func watchCost(t *testing.T, address string, by *http.Client) *costCanary {
	t.Helper()
	v, err := client.Dial(t.Context(), address, client.Options{HTTPClient: by})
	if err != nil {
		t.Fatal(err)
	}
	c, done := &costCanary{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := v.Next(context.Background())
			if err != nil {
				return
			}
			now := time.Now().UnixNano()
			for _, stamp := range costStamps.FindAllSubmatch(m.Payload, -1) {
				at, _ := strconv.ParseInt(string(stamp[1]), 10, 64)
				c.worst.Store(max(c.worst.Load(), now-at))
				c.written.Store(at)
			}
		}
	}()
	t.Cleanup(func() { v.Close(); <-done })
	return c
}

// upToDate waits for a line that is written from now on, and returns the longest delay since the last
// call.
func (c *costCanary) upToDate(t *testing.T) time.Duration {
	t.Helper()
	now := time.Now().UnixNano()
	wait.For(t, 3*wait.Patience, "the canary sees no output", func() bool { return c.written.Load() > now })
	return time.Duration(c.worst.Swap(0))
}
