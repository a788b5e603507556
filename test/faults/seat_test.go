//go:build linux

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A seat is a viewer that a panic may cost, or not.
type seat struct {
	oracle
	what string
	done chan struct{} // closed when the connection has ended
	err  error         // why; set before done is closed
}

// drawing matches the sequences with which the command of these tests draws pictures.
var drawing = regexp.MustCompile(`\x1b\[[?0-9;]*[a-zA-Z]`)

// seats takes a seat of each kind at a path, with a query, from the stream's first line on.
func (r *instance) seats(path, query string) (all []*seat) {
	for kind, watch := range map[string]func(addr, target string, o *oracle) error{
		"wsrun.v1": sitV1, "plain": sitPlain, "deflated": sitDeflated, "SSE": sitEvents, "text": sitText,
	} {
		s := &seat{what: kind + " viewer of /" + path, done: make(chan struct{})}
		s.next, s.since = 1, time.Now()
		go func() {
			defer close(s.done)
			s.err = watch(r.addr, path+query, &s.oracle)
		}()
		all = append(all, s)
	}
	return all
}

// lost reports whether the seat's connection has ended before it has seen the last line.
func (s *seat) lost(last int64) bool {
	select {
	case <-s.done:
		seen, _, _ := s.seen()
		return seen < last
	default:
		return false
	}
}

// sitV1 feeds o with what a wsrun.v1 viewer gets, until the connection ends.
func sitV1(addr, target string, o *oracle) error {
	conn, err := dialFor(addr, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := open(conn, addr, target, "wsrun.v1")
	if err != nil {
		return err
	}
	for {
		m, err := s.nextV1()
		if err != nil {
			return err
		}
		if err := feed(o, m); err != nil {
			return err
		}
	}
}

// feed feeds o with a message.
func feed(o *oracle, m client.Message) error {
	switch e := m.Event.(type) {
	case nil:
		o.write(drawing.ReplaceAll(m.Payload, nil))
	case protocol.ResetEvent:
		return fmt.Errorf("reset at line %d", e.Line)
	}
	return nil
}

// sitPlain is sitV1 for a plain viewer.
func sitPlain(addr, target string, o *oracle) error {
	conn, err := dialFor(addr, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := open(conn, addr, target, "")
	if err != nil {
		return err
	}
	for {
		_, payload, err := s.next()
		if err != nil {
			return err
		}
		o.write(drawing.ReplaceAll(payload, nil))
	}
}

// sitDeflated is sitV1 for a viewer that offers compression.
func sitDeflated(addr, target string, o *oracle) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	v, err := client.Dial(ctx, "ws://"+addr+"/"+target, client.Options{Compression: websocket.CompressionContextTakeover})
	if err != nil {
		return err
	}
	defer v.Close()
	for {
		m, err := v.Next(ctx)
		if err != nil {
			return err
		}
		if err := feed(o, m); err != nil {
			return err
		}
	}
}

// get sends a request on a connection of its own.
func get(addr, target, accept string) (*http.Response, error) {
	request, err := http.NewRequest("GET", "http://"+addr+"/"+target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	return c.Do(request)
}

// sitEvents is sitV1 for server-sent events.
func sitEvents(addr, target string, o *oracle) error {
	resp, err := get(addr, target, "text/event-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for event := ""; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		} else if line == "\n" {
			event = ""
		}
		if event == "reset\n" {
			return errors.New("reset")
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && event == "" {
			o.write([]byte(data))
		}
	}
}

// sitText is sitV1 for the text form.
func sitText(addr, target string, o *oracle) error {
	if !strings.Contains(target, "?") {
		target += "?tail=1"
	}
	resp, err := get(addr, target, "text/plain")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(writerFunc(o.write), resp.Body)
	return err
}
