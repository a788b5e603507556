package server

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/test/peer"
)

// TestSlowViewersAreCounted covers viewers of each form that fall behind the ring, and then
// read nothing.
func TestSlowViewersAreCounted(t *testing.T) {
	for k, request := range map[hub.Form]string{
		hub.FormV1:     peer.Upgrade("pipe", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: wsrun.v1\r\n\r\n"),
		hub.FormPlain:  peer.Upgrade("pipe"),
		hub.FormEvents: "GET / HTTP/1.1\r\nHost: pipe\r\nAccept: text/event-stream\r\n\r\n",
		hub.FormText:   "GET /?tail=1 HTTP/1.1\r\nHost: pipe\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			l := peer.Listen()
			b := broadcaster.New(broadcaster.Options{Lines: 10})
			var log bytes.Buffer
			srv := New(Options{Catalog: Single(hub.Options{Stream: b}), Addr: l.Addr(),
				Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			done := make(chan error)
			go func() { done <- srv.Serve(l) }()
			c, _ := l.Dial(t.Context(), "", "")
			io.WriteString(c, request)
			r := bufio.NewReader(c)
			if _, err := http.ReadResponse(r, nil); err != nil {
				t.Fatal(err)
			}
			// The viewer reads nothing while the ring is overwritten, then everything, then
			// nothing. The server is blocked in a write meanwhile, so that there is one gap.
			// A form that is derived from the output may get another gap while it is made.
			b.Write([]byte(strings.Repeat("x", 64<<10) + "\n"))
			synctest.Wait()
			go func() {
				for range 100 {
					b.Write([]byte(strings.Repeat("a line\n", 10_000)))
					b.Flush()
				}
			}()
			synctest.Wait()
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			io.Copy(io.Discard, r)
			synctest.Wait()
			before := scrape(t, srv)
			b.Write([]byte(strings.Repeat("x", 64<<10)))
			b.Write([]byte("\n"))
			began := time.Now()
			time.Sleep(17 * time.Second) // longer than a viewer may go without reading
			synctest.Wait()
			name := k.String()
			resets := min(max(before[label("wsrun_resets_total", "kind", name)], 1), 2)
			if k == hub.FormV1 || k == hub.FormPlain {
				resets = 1
			}
			expect(t, name+" behind", before, map[string]float64{
				label("wsrun_resets_total", "kind", name): resets, label("wsrun_slow_closes_total", "kind", name): 0,
				label("wsrun_viewers", "kind", name): 1,
			})
			expect(t, name+" after "+time.Since(began).String(), scrape(t, srv), map[string]float64{
				label("wsrun_resets_total", "kind", name): resets, label("wsrun_slow_closes_total", "kind", name): 1,
				label("wsrun_viewers", "kind", name): 0,
			})
			if !strings.Contains(log.String(), `how="the viewer takes nothing"`) {
				t.Errorf("%s: log: %s", name, log.String())
			}
			c.Close()
			b.Close()
			srv.Shutdown(context.Background())
			<-done
		})
	}
}
