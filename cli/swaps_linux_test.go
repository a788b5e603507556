package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSwapsDuringRequests atomically replaces two links 5,000 times, during requests for them
// and while one of them is followed.
func TestSwapsDuringRequests(t *testing.T) {
	l, base := startHostile(t)
	for name, target := range map[string]string{"swapped": l.dir + "/a.log", "swapdir": "sub"} {
		if err := os.Symlink(target, filepath.Join(l.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	c := l.open("swapped?tail=1")
	if m, err := c.Next(t.Context()); err != nil || string(m.Payload) != insideText {
		t.Fatalf("%q, %v", m.Payload, err)
	}
	followed := make(chan string, 1)
	go func() {
		for {
			m, err := c.Next(t.Context())
			if err != nil || strings.ReplaceAll(string(m.Payload), insideText, "") != "" {
				followed <- fmt.Sprintf("%q, %v", m.Payload, err)
				return
			}
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		next := base + "/next"
		files := []string{
			l.dir + "/a.log", "../secret/a.log", "sub/a.log", base + "/secret/a.log", "fifo", "/dev/zero", "../logs/a.log",
			"/etc/passwd",
		}
		dirs := []string{"sub", "../secret", l.dir + "/sub", "/etc", ".", base + "/secret"}
		for i := range 2500 {
			for name, target := range map[string]string{"swapped": files[i%len(files)], "swapdir": dirs[i%len(dirs)]} {
				if os.Symlink(target, next) != nil || os.Rename(next, filepath.Join(l.dir, name)) != nil {
					t.Errorf("swap %d of %s", i, name)
					return
				}
			}
		}
	}()
	defer func() { <-done }()
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	found, not := 0, 0
	for asking := true; asking || found+not < 1000; {
		select {
		case <-done:
			asking = false
		case got := <-followed:
			t.Fatalf("followed: %s", got)
		default:
		}
		for _, name := range []string{"swapped?format=raw", "swapped", "swapdir/passwd?format=raw", "swapdir/a.log"} {
			resp, err := client.Get("http://" + l.addr + l.dir + "/" + name)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
			resp.Body.Close()
			switch {
			case err == nil && resp.StatusCode == 200 && string(body) == insideText:
				found++
			case err == nil && resp.StatusCode == 404 && string(body) == "no such file\n":
				not++
			default:
				t.Fatalf("%s: %s, %q, %v", name, resp.Status, body, err)
			}
		}
	}
	t.Attr("promise", "nothing from outside gets out while links are swapped")
	t.Attr("figure", fmt.Sprintf("%d requests during 5,000 swaps: %d got what is inside, %d nothing", found+not, found, not))
	if found == 0 || not == 0 {
		t.Error("not all was met")
	}
	select {
	case got := <-followed:
		t.Errorf("followed: %s", got)
	default:
	}
	c.Close()
	<-followed
}
