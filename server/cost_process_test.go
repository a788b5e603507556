//go:build linux

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
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

	"wsrun/test/launch"
	"wsrun/test/wait"
)

// A costProcess is a running wsrun, seen from outside.
type costProcess struct {
	*launch.Instance
	t      *testing.T
	addr   string // for URLs
	socket string // the path of its Unix socket, if that is what it listens on
	client *http.Client
	scheme string            // http or https
	proxy  *httptest.Server  // in front of it
	names  *strings.Replacer // of what is in capitals in a row's path
	canary *costCanary
	asked  atomic.Int64 // requests of clients
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
	if via == local {
		p.socket = filepath.Join(own, "s")
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
	if p.socket != "" {
		cmd.Env = append(cmd.Env, "WSRUN_ADDR=unix:"+p.socket)
	}
	var err error
	if p.Instance, err = launch.Start(cmd); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.Stop)
	ctx, cancel := context.WithTimeout(p.t.Context(), wait.Patience)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: insecure}
	if p.socket != "" {
		p.addr = "localhost"
		wait.For(p.t, wait.Patience, "wsrun doesn't listen", func() bool { return strings.Contains(p.Said(), p.socket) })
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.socket)
		}
	} else if p.addr, err = p.Address(ctx); err != nil {
		p.t.Fatal(err)
	}
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
	p.t.Helper()
	memory, err := launch.Memory(p.Process.Pid)
	if err != nil {
		p.t.Fatalf("%v; it said %q", err, p.Said())
	}
	return memory
}
