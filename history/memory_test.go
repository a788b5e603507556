package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"wsrun/broadcaster"
)

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemory measures what the index takes: at most 4 KiB for each MiB, whatever the output.
func TestMemory(t *testing.T) {
	const size = 64 << 20
	rng := rand.New(rand.NewPCG(13, 13))
	for name, chunk := range map[string]func(n int) []byte{
		"lines":   func(n int) []byte { return fmt.Appendf(nil, "\x1b[32m%d\x1b[m %064d\n", n, n) },
		"colours": func(n int) []byte { return fmt.Appendf(nil, "\x1b[38;2;%d;%d;%dm%d", n%255, n/255%255, n/65536, n) },
		"titles":  func(n int) []byte { return fmt.Appendf(nil, "\x1b]2;%d%s\a%d\n", n, strings.Repeat("t", 4000), n) },
	} {
		s := newStore(t, t.TempDir(), 256<<20)
		s.open()
		b := follow(t, s, broadcaster.Options{Lines: 1000, Bytes: 1 << 20})
		warm := func(mib int) {
			for n := 0; mib > 0; mib-- {
				var p []byte
				for ; len(p) < 1<<20; n++ {
					p = append(p, chunk(rng.IntN(1<<24))...)
				}
				b.Write(p)
				b.settle()
			}
		}
		warm(8)
		before := heap()
		warm(size >> 20)
		grown := heap() - before
		t.Logf("%s: %d bytes for each MiB", name, grown/(size>>20))
		if grown > 4<<10*size>>20+64<<10 {
			t.Errorf("%s: the index of %d MiB takes %d KiB", name, size>>20, grown>>10)
		}
		b.end()
	}
}

// A run that prints little has almost no history.
func TestMemoryOfShortRuns(t *testing.T) {
	const runs = 50
	s := newStore(t, t.TempDir(), DefaultBytes)
	output := bytes.Repeat([]byte("a line\n"), 1000)
	measure := func(history bool) int64 {
		before := heap()
		var all []*broadcaster.Broadcaster
		for range runs {
			if history {
				all = append(all, follow(t, s, broadcaster.Options{}).Broadcaster)
			} else {
				all = append(all, broadcaster.New(broadcaster.Options{}))
			}
			all[len(all)-1].Write(output)
			all[len(all)-1].Flush()
		}
		grown := heap() - before
		runtime.KeepAlive(all)
		return grown
	}
	without, with := measure(false), measure(true)
	each := (with - without) / runs
	t.Logf("%d bytes for each run", each)
	if each > 64<<10 || s.file != nil {
		t.Errorf("%d bytes for each run that prints little; file %v", each, s.file)
	}
}
