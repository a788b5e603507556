//go:build linux

package faults

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsrun/internal/protocol"
)

// TestKillWsrun checks that when wsrun is killed, the command's process tree ends, as it does
// when a terminal is closed: processes that don't ignore HUP are gone within 2 s. Viewers are
// cut off.
func TestKillWsrun(t *testing.T) {
	t.Parallel()
	const tree = `sleep 60 & (sleep 60; :) & sh -c 'sleep 60 & wait' & while :; do echo tick; sleep 0.01; done`
	random := random(t)
	worst := time.Duration(0)
	for i := range iterations(60, 600) {
		cmd := wsrun("sh", "-c", tree)
		// Some kills come before wsrun serves, or while the tree is starting.
		after := time.Duration(random.IntN(80_000)) * time.Microsecond
		if i%2 == 0 {
			r := begin(t, cmd)
			conn := r.dial()
			s, err := open(conn, r.addr, "", "wsrun.v1")
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(after)
			r.Process.Kill()
			conn.SetReadDeadline(time.Now().Add(2 * time.Second))
			var f follower
			if err := f.follow(s); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a viewer got %v", err)
			}
			conn.Close()
		} else {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-time.After(after)
			cmd.Process.Kill()
			cmd.Wait()
		}
		tag := cmd.Env[len(cmd.Env)-1]
		worst = max(worst, await(t, 2*time.Second, fmt.Sprintf("the tree of a wsrun killed after %v is gone", after), func() bool {
			return len(tagged(tag)) == 0
		}))
	}
	t.Attr("promise", "when wsrun is killed, the command's tree goes with it")
	t.Attr("figure", fmt.Sprintf("%d kills, gone after at most %v", iterations(60, 600), worst.Round(time.Millisecond)))
}

// TestKillCommand checks that a killed command is reported as such: wsrun's status is 137, and
// viewers get an exit event and a close frame with 1000.
func TestKillCommand(t *testing.T) {
	t.Parallel()
	random := random(t)
	defer func() {
		t.Attr("promise", "when the command is killed the status is 137, and viewers are told")
		t.Attr("figure", fmt.Sprintf("%d kills", iterations(10, 100)))
	}()
	for range iterations(10, 100) {
		r := begin(t, canaryOf(t, plainLoad))
		s, err := open(r.dial(), r.addr, "", "wsrun.v1")
		if err != nil {
			t.Fatal(err)
		}
		plain, err := open(r.dial(), r.addr, "", "")
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest("GET", "http://"+r.addr, nil)
		req.Header.Set("Accept", "text/event-stream")
		events, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(random.IntN(100)) * time.Millisecond)
		await(t, maxDelay, "wsrun has a command", func() bool { return len(children(r.Process.Pid)) == 1 })
		syscall.Kill(children(r.Process.Pid)[0], syscall.SIGKILL)

		var f follower
		if err := f.follow(s); err != closeError(protocol.CloseEnded) || f.exit == nil || f.exit.Code != 137 ||
			f.exit.Signal != "SIGKILL" || f.err != nil {
			t.Errorf("a viewer got %v and exit %+v, %v", err, f.exit, f.err)
		}
		for err = nil; err == nil; {
			_, _, err = plain.next()
		}
		if err != closeError(protocol.CloseEnded) {
			t.Errorf("a plain viewer got %v", err)
		}
		if all, err := io.ReadAll(events.Body); err != nil || !strings.Contains(string(all), `"signal":"SIGKILL"`) {
			t.Errorf("server-sent events end in %.200q, %v", all[max(0, len(all)-200):], err)
		}
		events.Body.Close()
		if code := r.end(); code != 137 {
			t.Errorf("status %d, want 137", code)
		}
	}
}
