//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// canaryStatus is the exit status of a canary's command.
const canaryStatus = 7

// A report is what a canary's command writes at its end.
type report struct {
	Lines   int64
	Blocked time.Duration // the longest write
}

// child is the main function of the test binary when it is a command. It returns the exit
// status.
func child(args []string) int {
	switch args[0] {
	case "canary":
		rate, _ := strconv.Atoi(args[2])
		size, _ := strconv.Atoi(args[3])
		return writeLines(args[1], rate, size)
	case "steady":
		return writeSteadily(args[1])
	case "count":
		n, _ := strconv.ParseInt(args[1], 10, 64)
		return count(n)
	}
	return 1
}

// writeLines writes rate lines per second, of size bytes on average, until standard input ends.
// Then it writes a report to file.
func writeLines(file string, rate, size int) int {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	var r report
	random := rand.New(rand.NewPCG(uint64(rate), uint64(size)))
	filler := strings.Repeat("canary ", 2*size/7+1)
	const beat = 10 * time.Millisecond
	for tick, start := time.NewTicker(beat), time.Now(); ; {
		var batch strings.Builder
		for due := int64(time.Since(start).Seconds()*float64(rate)) + 1; r.Lines < due; {
			r.Lines++
			batch.WriteString(numbered(r.Lines, filler[:random.IntN(2*size)]))
		}
		began := time.Now()
		if _, err := io.WriteString(os.Stdout, batch.String()); err != nil {
			return 1
		}
		r.Blocked = max(r.Blocked, time.Since(began))
		select {
		case <-tick.C:
			continue
		case <-ended:
		}
		text, _ := json.Marshal(r)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return 1
		}
		return canaryStatus
	}
}

// numbered returns a line that an [oracle] can check: number, time, filler and checksum.
func numbered(n int64, filler string) string {
	text := fmt.Sprintf("%d %d %s", n, time.Now().UnixNano(), strings.ReplaceAll(strings.TrimSpace(filler), " ", "-"))
	return fmt.Sprintf("%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

// count writes n lines, waits for the end of standard input, and writes n more.
func count(n int64) int {
	for i := range 2 * n {
		if i == n {
			io.Copy(io.Discard, os.Stdin)
		}
		if _, err := io.WriteString(os.Stdout, numbered(i+1, "counted")); err != nil {
			return 1
		}
	}
	return canaryStatus
}
