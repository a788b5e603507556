//go:build unix

package cli

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"rsc.io/qr"
)

// TestAllAddresses checks that wsrun, when it listens on all addresses, makes a token, prints a
// URL for each address, and shows the first URL that others can reach as a QR code.
func TestAllAddresses(t *testing.T) {
	_, stderr, status := outcome(wsrun("--addr", ":0", "--qr", "true"))
	if status != 0 {
		t.Fatalf("status %d, %q", status, stderr)
	}
	var urls, rows []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSuffix(line, "\n")
		if u, ok := strings.CutPrefix(line, "wsrun: "); ok {
			urls = append(urls, u)
		} else {
			rows = append(rows, line)
		}
	}
	if len(urls) != 1+len(lanAddresses()) || !strings.HasPrefix(urls[0], "http://localhost:") {
		t.Fatalf("URLs %q for localhost and %q", urls, lanAddresses())
	}
	code, err := qr.Encode(urls[min(1, len(urls)-1)], qr.L)
	if err != nil {
		t.Fatal(err)
	}
	var black [][]bool // as shown by a light-on-dark terminal
	for _, row := range rows {
		var top, bottom []bool
		for _, c := range row {
			top = append(top, c != '█' && c != '▀')
			bottom = append(bottom, c != '█' && c != '▄')
		}
		black = append(black, top, bottom)
	}
	const margin = 4
	if want := (code.Size + 2*margin + 1) / 2; len(rows) != want {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	for y := range code.Size + 2*margin {
		for x := range black[y] {
			if black[y][x] != code.Black(x-margin, y-margin) {
				t.Fatalf("wrong module at %d, %d", x, y)
			}
		}
		if len(black[y]) != code.Size+2*margin {
			t.Errorf("row %d has %d modules", y, len(black[y]))
		}
	}
}

// TestEachURLIsServed checks that each printed URL works with the token, and not without.
func TestEachURLIsServed(t *testing.T) {
	r := start(t, "--addr", ":0", "--token", "sesame, open yourself", "sh", "-c", "read x")
	urls := []string{"http://" + r.addr + "/"}
	for range lanAddresses() {
		line, err := r.Errors.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		url := strings.TrimSpace(strings.TrimPrefix(line, "wsrun: "))
		urls = append(urls, url)
	}
	if sorted := slices.Sorted(slices.Values(urls)); len(slices.Compact(sorted)) != len(urls) {
		t.Errorf("listed twice: %q", urls)
	}
	for _, url := range urls {
		for token, want := range map[string]int{"sesame, open yourself": 200, "wrong": 401, "": 401} {
			req, err := http.NewRequest("GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s with token %q: %s, want %d", url, token, resp.Status, want)
			}
		}
	}
	io.WriteString(r.Stdin, "\n")
	r.end()
}
