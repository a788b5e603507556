//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// searchedBytes is how much output is searched.
const searchedBytes = 256 << 20

// searchedText writes about searchedBytes of lines to a file, and returns its path.
func searchedText(b *testing.B, line func(p []byte, n int) []byte) string {
	b.Helper()
	var part []byte
	for n := 0; len(part) < 8<<20; n++ {
		part = line(part, n)
	}
	path := filepath.Join(b.TempDir(), "output")
	if err := os.WriteFile(path, bytes.Repeat(part, searchedBytes/len(part)), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// accessLine appends a line of an access log, and buildLine one of a build with colors.
func accessLine(p []byte, n int) []byte {
	return fmt.Appendf(p, "10.0.%d.%d - - [12/Oct/2025:07:%02d:%02d +0000] \"GET /api/v1/items/%d HTTP/1.1\" %d %d \"-\" \"Mozilla/5.0 (X11; Linux)\"\n",
		n/256%256, n%256, n/60%60, n%60, rand.IntN(100_000), []int{200, 200, 200, 304, 404}[n%5], rand.IntN(1<<20))
}

func buildLine(p []byte, n int) []byte {
	return fmt.Appendf(p, "\x1b[1m\x1b[32m   Compiling\x1b[0m module-%d v1.%d.0 \x1b[2m(/src/lib/module-%d.c)\x1b[0m\x1b[K\n", n, n%10, n)
}

// BenchmarkSearch searches a run that has ended, over HTTP, with one processor and with one or two searchers: wsrun
// lets as many use a processor as half of GOMAXPROCS.
func BenchmarkSearch(b *testing.B) {
	for _, tt := range []struct {
		name  string
		line  func(p []byte, n int) []byte
		greps map[string]string
	}{
		{"plain", accessLine, map[string]string{"literal": "panic: runtime", "any-case": "(?i)panic: runtime", "required-literal": `panic: \d+`, "other": `\b5\d\d\b`}},
		{"colored", buildLine, map[string]string{"literal": "panic: runtime"}},
	} {
		path := searchedText(b, tt.line)
		for _, processors := range []string{"1", "2", "4"} {
			b.Run(fmt.Sprintf("%s/GOMAXPROCS=%s", tt.name, processors), func(b *testing.B) {
				b.Setenv("GOMAXPROCS", processors)
				i, addr := start(b, nil, "--history", "1GiB", "--linger", "10m", "cat", path)
				defer i.Stop()
				awaitEnd(b, addr)
				for name, grep := range tt.greps {
					b.Run(name, func(b *testing.B) {
						b.SetBytes(searchedBytes)
						for b.Loop() {
							search(b, addr, grep)
						}
					})
				}
			})
		}
	}
}

// search searches a stream, and returns what it has got.
func search(b *testing.B, addr, grep string) string {
	b.Helper()
	resp, err := http.Get("http://" + addr + "/?format=hits&grep=" + url.QueryEscape(grep))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), `{"done":`) {
		b.Fatalf("%s, %v: %.200s", resp.Status, err, body)
	}
	return string(body)
}
