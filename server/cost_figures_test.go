//go:build linux

package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

// takesLong skips a test with -short, and runs it along with others unless exact figures are wanted.
func takesLong(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("measures for many seconds")
	}
	if !costIsFull() {
		t.Parallel()
	}
}

// The ring of a program that fills the screen has lines before it that many join late for.
func TestCostOfFullScreens(t *testing.T) {
	takesLong(t)
	setting := newCostSetting(t, 10_000)
	var figures []string
	for _, tt := range []struct {
		name    string
		row     costRow
		clients int
		most    int64
	}{
		{"viewers", costRow{on: "full", path: "/", header: upgradesV1, kind: endless}, 40, 20 << 20},
		{"viewers of control characters", costRow{on: "controls", path: "/", header: upgradesV1, kind: endless}, 40, 20 << 20},
		{"texts", costRow{on: "full", path: "/", kind: gated}, 100, 64 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := costCase{tt.row, http11, setting.start(t, tt.row.on, http11), tt.clients}
			c.vanish(1) // a first request costs once
			c.to.settle()
			tally, held := c.letTrickle(t, trickleTime(c.via))
			figure := fmt.Sprintf("%d slow %s: %.1f MiB", tt.clients, tt.name, mib(held))
			figures = append(figures, figure)
			t.Logf("%s%s (%v)", figure, excess(held > tt.most), tally)
			if held > tt.most {
				t.Errorf("want at most %.1f MiB", mib(tt.most))
			}
		})
	}
	t.Attr("promise", "whoever reads slowly what is kept from before a full-screen program costs little")
	t.Attr("figure", strings.Join(figures, ", "))
}

// A long line that followers have had is not kept for each of them.
func TestCostOfALongLine(t *testing.T) {
	takesLong(t)
	setting := newCostSetting(t, 10_000)
	var figures []string
	for _, row := range []costRow{
		{name: "events", path: "/", header: wantsEvents, kind: endless},
		{name: "text", path: "/?tail=1", kind: endless},
	} {
		figures = append(figures, row.name+": "+sendLongLine(t, setting, row))
	}
	t.Attr("promise", "a long line costs little once it is sent")
	t.Attr("figure", "400 followers of a line of 96 KiB: "+strings.Join(figures, "; "))
}

// sendLongLine returns the figure of one form.
func sendLongLine(t *testing.T, setting costSetting, row costRow) (figure string) {
	t.Helper()
	const followers, most = 400, 40 << 20
	line := strings.Repeat("x", 96<<10) + "\n"
	p := &costProcess{t: t, scheme: "http", names: strings.NewReplacer()}
	p.run(setting.wsrun, "", []string{"-q"})
	defer p.Stop()
	p.settle()
	before := p.memory()
	grown := func() int64 { return p.memory() - before }
	var got atomic.Int64
	for range followers {
		conn, err := costCase{row: row, to: p}.ask(false, "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.raw.Close()
		conn.SetDeadline(time.Time{})
		go io.Copy(costCounter{&got}, conn.body) // ends with the connection
	}
	wait.For(t, 3*wait.Patience, "not all followers have come", func() bool { return p.serving() == followers })
	joined := grown()
	io.WriteString(p.Stdin, line)
	wait.For(t, 3*wait.Patience, "the line is not sent", func() bool { return got.Load() > int64(followers*len(line)) })
	at, sent := grown(), time.Now()
	wait.For(t, 4*wait.Patience, "the memory is not returned", func() bool {
		return grown() <= most && (!costIsFull() || time.Since(sent) > 3*wait.Patience)
	})
	return fmt.Sprintf("%.1f MiB when they had come, %.1f MiB at once, then %.1f MiB", mib(joined), mib(at), mib(grown()))
}

// A costCounter counts the bytes that are written to it.
type costCounter struct{ n *atomic.Int64 }

func (c costCounter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

// Viewers aren't blamed for the time during which wsrun is stopped.
func TestCostOfAStop(t *testing.T) {
	takesLong(t)
	const viewers, length = 30, 15 * time.Second
	p := newCostSetting(t, 10_000).start(t, "lines", http11)
	var ended atomic.Int64
	var got [viewers]atomic.Int64
	for i := range viewers {
		read := p.follow(i)
		go func() {
			for {
				n, err := read()
				if got[i].Add(int64(n)); err != nil {
					ended.Add(1)
					return
				}
			}
		}()
	}
	wait.For(t, 3*wait.Patience, "not all viewers have come", func() bool { return p.serving() == viewers })
	p.Process.Signal(syscall.SIGSTOP)
	<-time.After(length)
	p.Process.Signal(syscall.SIGCONT)
	p.canary.upToDate(t)
	for i := range got {
		before := got[i].Load()
		wait.For(t, wait.Patience, "a viewer gets nothing more", func() bool { return got[i].Load() > before || ended.Load() > 0 })
	}
	p.canary.upToDate(t)
	if n := ended.Load(); n > 0 || p.serving() != viewers {
		t.Errorf("%d of %d viewers were dropped", n, viewers)
	}
	t.Attr("promise", "no viewer is dropped because wsrun was stopped")
	t.Attr("figure", fmt.Sprintf("%d viewers of four forms, %v: %d dropped", viewers, length, ended.Load()))
}

// follow begins to follow the stream in one of four forms. read returns how many bytes came; it fails
// when the stream ends, at the latest with the test.
func (p *costProcess) follow(form int) (read func() (int, error)) {
	p.t.Helper()
	if form%4 < 2 {
		v, err := client.Dial(p.t.Context(), "ws://"+p.addr+"/?n=1", client.Options{Plain: form%4 == 1})
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(v.Close)
		return func() (int, error) {
			m, err := v.Next(context.Background())
			return len(m.Payload), err
		}
	}
	r, _ := http.NewRequest(http.MethodGet, "http://"+p.addr+"/?n=1&tail=1", nil)
	if form%4 == 2 {
		r.Header.Set("Accept", "text/event-stream")
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	buffer := make([]byte, 4<<10)
	return func() (int, error) { return resp.Body.Read(buffer) }
}

// Pages that show a long list cost little while nothing changes.
func TestCostOfOpenLists(t *testing.T) {
	takesLong(t)
	const pages, most = 50, 5.0 // % of a processor
	files, length := 30_000, 20*time.Second
	if costIsFull() {
		files, length = 150_000, 4*time.Minute // wsrun pauses up to two minutes between its looks at so many
	}
	setting := newCostSetting(t, 10_000)
	many := filepath.Join(t.TempDir(), "many")
	writeManyFiles(t, many, files)
	p := &costProcess{t: t, scheme: "http"}
	p.run(setting.wsrun, "", []string{"files", many})
	var lists atomic.Int64
	for range pages {
		p.openList(&lists)
	}
	wait.For(t, time.Minute, "not all pages have the list", func() bool { return lists.Load() >= pages })
	for quiet, before := 0, p.cpu(); quiet < 5; before = p.cpu() { // nothing is left of the pages' beginning
		if quiet++; p.work() > 5*costNoise || p.cpu()-before > 5*costNoise {
			quiet = 0
		}
	}
	asked, used := lists.Load(), p.cpu()
	<-time.After(length)
	share := 100 * (p.cpu() - used).Seconds() / length.Seconds()
	t.Logf("%.1f %% of a processor%s; %d lists", share, excess(share > most), lists.Load()-asked)
	if share > most && costIsFull() {
		t.Errorf("want at most %.0f %%", most)
	}
	t.Attr("promise", "open pages of a list cost little")
	t.Attr("figure", fmt.Sprintf("%d pages, %d files: %.1f %% of a processor", pages, files, share))
}

// openList does what static/files.js does: it follows the changes of the list, and asks for the list
// when it is connected and after each change, at most once a second. It counts the lists.
func (p *costProcess) openList(lists *atomic.Int64) {
	p.t.Helper()
	v, err := client.Dial(p.t.Context(), "ws://"+p.addr+"/?n=0", client.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	stale, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(stale)
		for {
			m, err := v.Next(context.Background())
			if err != nil {
				return
			}
			if _, hello := m.Event.(protocol.HelloEvent); hello || m.Event == nil {
				select {
				case stale <- struct{}{}:
				default:
				}
			}
		}
	}()
	go func() {
		defer close(done)
		for range stale {
			next := time.After(time.Second)
			r, _ := http.NewRequest(http.MethodGet, "http://"+p.addr+"/", nil)
			r.Header.Set("Accept", "application/json")
			if resp, err := p.client.Do(r); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				lists.Add(1)
			}
			<-next
		}
	}()
	p.t.Cleanup(func() { v.Close(); <-done })
}
