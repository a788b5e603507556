//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// leftBehind holds scripts that leave processes behind, by name.
var leftBehind = map[string]string{
	"background":        `sleep 60 &`,
	"nohup":             `nohup sleep 60 &`,
	"setsid":            `setsid sleep 60 &`,
	"double fork":       `(sleep 60 & sleep 60 &) &`,
	"daemon":            `setsid sleep 60 </dev/null >/dev/null 2>&1 &`,
	"HUP ignored":       `(trap '' HUP; sleep 60) &`,
	"all ignored":       `(trap '' HUP INT TERM QUIT CONT TSTP USR1; sleep 60) &`,
	"kept descriptor":   `setsid sleep 60 7>&1 </dev/null >/dev/null 2>&1 &`,
	"terminal reopened": `setsid sleep 60 <$(tty <&2) >/dev/null 2>&1 &`,
	"standard input":    `sleep 60 <&3 >/dev/null 2>&1 &`,
	"stopped":           `sleep 60 & kill -STOP $!`,
	"stopped and deaf":  `nohup sleep 60 & kill -STOP $!`,
	"zombie":            `setsid sh -c 'true & exec sleep 60' &`,
	"own group":         `set -m; sleep 60 &`,
	"talking":           `(trap '' HUP; while :; do echo more; sleep 0.1; done) &`,
	"flooding":          `(trap '' HUP; while :; do echo more; done) &`,
}

// TestLeftBehind checks that processes that a command leaves behind don't keep wsrun running. It
// must end with the command's status, at most 2.5 s after the command.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	var longest atomic.Int64
	t.Cleanup(func() {
		t.Attr("promise", "what a command leaves behind does not keep wsrun")
		t.Attr("figure", fmt.Sprintf("%d kinds, ended at most %v after the command", len(leftBehind),
			time.Duration(longest.Load()).Round(time.Millisecond)))
	})
	for name, script := range leftBehind {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The command waits, so that the process that it leaves behind is ready first.
			cmd := wsrun("sh", "-c", "exec 3<&0; "+script+"\nread x <&3; echo ended; exit 9")
			cmd.Dir = t.TempDir() // nohup writes there
			var mu sync.Mutex
			var out []byte
			var then time.Time
			cmd.Stdout = writerFunc(func(p []byte) {
				mu.Lock()
				defer mu.Unlock()
				if out = append(out, p...); then.IsZero() && bytes.Contains(out, []byte("ended")) {
					then = time.Now()
				}
			})
			r := begin(t, cmd)
			await(t, maxDelay, "it is there", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return bytes.Contains(out, []byte("more")) || slices.ContainsFunc(tagged(r.tag()), func(pid int) bool {
					stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
					return bytes.Contains(stat, []byte(" (sleep) ")) || bytes.Contains(stat, []byte(" (sh) T ")) ||
						bytes.Contains(stat, []byte(" (nohup) T ")) // it may be stopped before it becomes sleep
				})
			})
			r.Stdin.Close()
			if code := r.end(); code != 9 {
				t.Errorf("status %d, want the command's, 9", code)
			}
			over := time.Now()
			mu.Lock()
			defer mu.Unlock()
			took := over.Sub(then)
			for old := longest.Load(); old < int64(took) && !longest.CompareAndSwap(old, int64(took)); old = longest.Load() {
			}
			if took > 2500*time.Millisecond {
				t.Errorf("wsrun ended %v after the command, which wrote %.200q", took, out)
			}
		})
	}
}
