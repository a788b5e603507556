package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/logs"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// awaitSlots waits until exactly that many slots are taken.
func (b *bench) awaitSlots(want int) {
	b.t.Helper()
	wait.For(b.t, 5*time.Second, fmt.Sprintf("the slots taken were never %d", want), func() bool {
		taken, _ := b.srv.sessions.Slots()
		return taken == want
	})
}

// TestFull checks that clients beyond the limit are asked to retry, that requests that need no
// slot still work, and that a free slot is used again.
func TestFull(t *testing.T) {
	b := serve(t, Options{MaxViewers: 1})
	b.Write([]byte("one\n"))
	first := b.dial("", protocol.Subprotocol)
	for range 3 {
		for _, protocols := range [][]string{nil, {protocol.Subprotocol}} {
			_, err := b.dial("", protocols...).Next(t.Context())
			var e client.CloseError
			if !errors.As(err, &e) || e.Code != protocol.CloseFull || e.Reason == "" {
				t.Errorf("a WebSocket of %q: %v", protocols, err)
			}
		}
		for _, request := range [][]string{{"/?tail=1"}, {"/?tail=1&format=raw"}, {"/", "Accept", "text/event-stream"}} {
			resp, _ := b.get(request[0], request[1:]...)
			wait, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			if resp.StatusCode != 503 || wait < 5 || wait > 15 {
				t.Errorf("%q: %s, Retry-After %q", request, resp.Status, resp.Header.Get("Retry-After"))
			}
		}
		for _, request := range [][]string{{"/"}, {"/", "Accept", "text/html"}, {"/?format=raw"}, {"/-/healthz"}, {"/-/status"}, {"/-/metrics"}} {
			if resp, _ := b.get(request[0], request[1:]...); resp.StatusCode != 200 {
				t.Errorf("%q: %s", request, resp.Status)
			}
		}
	}
	first.Close()
	b.awaitSlots(0)
	second := b.dial("", protocol.Subprotocol)
	b.end(0)
	if r, err := watch.Viewer(second, -1); err != nil || string(r.Data) != "one\n" {
		t.Errorf("the next: %+v, %v", r, err)
	}
}

// TestSlots checks that slots are counted exactly, however the requests for them end.
func TestSlots(t *testing.T) {
	const slots = 8
	b := serve(t, Options{MaxViewers: slots})
	most, asked := 0, 0
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var in []io.Closer
		for i := range 10 * slots {
			wg.Go(func() {
				c, err := net.Dial("tcp", b.addr)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(10 * time.Second))
				request := peer.Upgrade(b.addr)
				switch i % 5 {
				case 0: // a handshake that fails
					request = peer.Upgrade(b.addr, "dGhlIHNhbXBsZSBub25jZQ==", "short")
				case 1: // half a handshake
					io.WriteString(c, request[:len(request)/2])
					c.Close()
					return
				case 2: // a handshake whose response is never read
					io.WriteString(c, request)
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
					return
				case 3:
					request = fmt.Sprintf("GET /?tail=1 HTTP/1.1\r\nHost: %s\r\n\r\n", b.addr)
				}
				io.WriteString(c, request)
				r := bufio.NewReader(c)
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				full := resp.StatusCode == 503
				if resp.StatusCode == 101 {
					frame, _ := r.Peek(4)
					full = frame[0] == 0x88 && frame[2] == 1013>>8 && frame[3] == 1013&0xff
				}
				if resp.StatusCode == 400 || full {
					c.Close()
					return
				}
				mu.Lock()
				in = append(in, c)
				mu.Unlock()
			})
			if i == 0 {
				b.Write([]byte("something\n")) // gives every viewer a frame
			}
		}
		wg.Wait()
		most, asked = max(most, len(in)), asked+10*slots
		if len(in) > slots || len(in) == 0 {
			t.Errorf("round %d: %d viewers, %d slots", round, len(in), slots)
		}
		b.awaitSlots(len(in))
		for _, c := range in {
			c.Close()
		}
		b.awaitSlots(0)
		now := int64(0)
		for _, t := range b.srv.sessions.Tallies() {
			now += t.Now
		}
		if now != 0 {
			t.Errorf("round %d: %d viewers are still counted", round, now)
		}
	}
	t.Attr("promise", "there are no more viewers than places, whatever comes of those who ask for one")
	t.Attr("figure", fmt.Sprintf("%d at a time of %d places, %d asked", most, slots, asked))
}

// TestHeadTakesNoSlot checks that a HEAD request gets the Content-Type of each form at once, even
// if there is no slot.
func TestHeadTakesNoSlot(t *testing.T) {
	for name, b := range map[string]*bench{
		"/":      serve(t, Options{MaxViewers: 1}),
		"/a.log": serve(t, Options{MaxViewers: 1, Catalog: newLogFile(t)}),
	} {
		b.dial(name+"?tail=1", protocol.Subprotocol)
		for _, tt := range []struct{ query, accept, want string }{
			{"", "*/*", textType}, {"?tail=1", "*/*", textType}, {"?format=raw", "*/*", textType},
			{"?format=raw&tail=1", "*/*", textType},
			{"", "text/event-stream", eventsType}, {"?tail=1", "text/event-stream", eventsType},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			r, _ := http.NewRequestWithContext(ctx, "HEAD", "http://"+b.addr+name+tt.query, nil)
			r.Header.Set("Accept", tt.accept)
			resp, err := b.client().Do(r)
			cancel()
			if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != tt.want {
				t.Errorf("HEAD %s%s, %s: %+v, %v", name, tt.query, tt.accept, resp, err)
			}
		}
		b.awaitSlots(1)
	}
}

// A panicCatalog is a catalog of one finished file that can't be read without a panic.
type panicCatalog struct{ *logFile }

func (c panicCatalog) Open(ctx context.Context, path string, filter logs.Filter) (Stream, error) {
	s, err := c.logFile.Open(ctx, path, filter)
	return panicStream{s}, err
}

type panicStream struct{ Stream }

func (s panicStream) Stored() Stored { return panicStored{s.Stream.Stored()} }

type panicStored struct{ Stored }

func (panicStored) Content(int, logs.Pace) (*logs.Content, error) { panic(http.ErrAbortHandler) }

// TestPanicFreesSlot checks that a viewer whose content can't be read doesn't keep its slot.
func TestPanicFreesSlot(t *testing.T) {
	b := serve(t, Options{Catalog: panicCatalog{newLogFile(t)}})
	if _, err := client.Dial(t.Context(), "ws://"+b.addr+"/a.log", client.Options{}); err == nil {
		t.Error("the content was read")
	}
	b.awaitSlots(0)
}
