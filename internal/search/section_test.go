package search

import (
	"context"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"testing"

	"wsrun/broadcaster"
	"wsrun/history"
)

// keep returns a history of the output, which has ended.
func keep(t testing.TB, output []byte) *history.Log {
	s := history.New(history.Options{Dirs: []string{t.TempDir()}, Report: func(err error) { t.Error(err) }})
	t.Cleanup(func() { s.Close() })
	b := broadcaster.New(broadcaster.Options{Lines: 100, Bytes: 100_000})
	log := s.Follow(b)
	var filled sync.WaitGroup
	filled.Go(func() { log.Fill(context.Background()) })
	for p := range slices.Chunk(output, 4<<20) {
		b.Write(p)
		for moved := log.Moved(); b.Stats().End-log.End().Offset > 2<<20; moved = log.Moved() {
			<-moved
		}
	}
	b.Close()
	filled.Wait()
	return log
}

// scanSection scans a section of a history.
func scanSection(t testing.TB, m *Matcher, log *history.Log, at history.Section) (hits []hit) {
	s := m.Scan(at.Offset, at.Line, at.Alternate, func(line, offset int64) { hits = append(hits, hit{line, offset}) })
	buffer := make([]byte, 256<<10)
	for offset := at.Offset; offset < at.End; {
		p := buffer[:min(int64(len(buffer)), at.End-offset)]
		if n, err := log.ReadAt(p, offset); err != nil || n < len(p) {
			t.Fatal(n, err)
		}
		s.Write(p)
		offset += int64(len(p))
	}
	s.Finish()
	return hits
}

// Sections, each searched on its own, have the hits of the whole.
func TestSectionsHaveAllHits(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5 {
		out := output(rng, 5000)
		log := keep(t, out)
		all, err := log.Split(history.Place{Offset: 0, Line: 1}, int64(len(out)), 10_000)
		if err != nil || len(all) < 3 {
			t.Fatalf("%d sections of %d bytes, %v", len(all), len(out), err)
		}
		for _, e := range []string{"error", "(?i)error", `\b5\d\d\b`} {
			re := regexp.MustCompile(e)
			var got []hit
			for _, at := range all {
				got = append(got, scanSection(t, New(re), log, at)...)
			}
			if want := scan(re, out, false, 1<<20); !slices.Equal(got, want) {
				t.Fatalf("%s: %d hits in %d sections, want %d", e, len(got), len(all), len(want))
			}
		}
	}
}

// BenchmarkSections searches a history with as many goroutines as there are processors.
func BenchmarkSections(b *testing.B) {
	var out []byte
	for range 16 {
		out = append(out, accessLog()...)
	}
	log := keep(b, out)
	all, err := log.Split(history.Place{Offset: 0, Line: 1}, int64(len(out)), 8<<20)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range []string{"panic: runtime", `\b5\d\d\b`} {
		for _, workers := range []int{1, 2} {
			b.Run(map[int]string{1: "one/", 2: "two/"}[workers]+e, func(b *testing.B) {
				m := New(regexp.MustCompile(e))
				b.SetBytes(int64(len(out)))
				for b.Loop() {
					sections := make(chan history.Section)
					var wg sync.WaitGroup
					for range workers {
						wg.Go(func() {
							for at := range sections {
								scanSection(b, m, log, at)
							}
						})
					}
					for _, at := range all {
						sections <- at
					}
					close(sections)
					wg.Wait()
				}
			})
		}
	}
}
