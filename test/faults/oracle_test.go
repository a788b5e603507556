//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An oracle checks the output that a viewer of a canary gets: whole lines, each once and in
// order. Its methods may be called concurrently.
type oracle struct {
	mu    sync.Mutex
	next  int64         // number of the next line; 0 means any
	rest  []byte        // unfinished line
	since time.Time     // delays are counted from here for lines that were sent earlier
	worst time.Duration // the longest delay of a line
	lines int64         // number of lines seen
	err   error         // the first thing that was wrong
}

// write checks the next bytes.
func (o *oracle) write(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.rest = append(o.rest, p...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return
		}
		o.rest = rest
		if err := o.line(string(bytes.TrimSuffix(line, []byte("\r"))), now); err != nil && o.err == nil {
			o.err = err
		}
	}
}

// line checks one line. o.mu must be held.
func (o *oracle) line(line string, now time.Time) error {
	cut := strings.LastIndexByte(line, ' ')
	if cut < 0 || fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(line[:cut]))) != line[cut+1:] {
		return fmt.Errorf("damaged line instead of %d: %q", o.next, line)
	}
	fields := strings.Fields(line)
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	nanoseconds, _ := strconv.ParseInt(fields[1], 10, 64)
	if o.next != 0 && n != o.next {
		err := fmt.Errorf("line %d, want %d", n, o.next)
		o.next = n + 1
		return err
	}
	o.next = n + 1
	o.lines++
	sent := time.Unix(0, nanoseconds)
	if sent.Before(o.since) {
		sent = o.since
	}
	o.worst = max(o.worst, now.Sub(sent))
	return nil
}

// skip tells the oracle of a gap, after which line n is next.
func (o *oracle) skip(n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n < o.next && o.err == nil {
		o.err = fmt.Errorf("a gap ends at line %d, before the next line, %d", n, o.next)
	}
	o.next, o.rest = n, nil
}

// forget starts a new measurement of delays and returns the worst delay so far.
func (o *oracle) forget() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	worst := o.worst
	o.worst, o.since = 0, time.Now()
	return worst
}

// seen returns the number of the last line, the worst delay, and what is wrong.
func (o *oracle) seen() (last int64, worst time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next - 1, o.worst, o.err
}
