package history

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/broadcaster"
)

const modelLine = 61 // bytes in each line of a model's output

// A model is a stream whose bytes and lines follow from their offsets. An event tells its own offset.
type model struct {
	*stream
	output []byte

	mu     sync.Mutex
	events []int64 // their offsets
}

func newModel(t testing.TB, s *Store, o broadcaster.Options, size int) *model {
	return &model{stream: follow(t, s, o), output: modelOutput(size)}
}

// modelOutput returns a model's output.
func modelOutput(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = 'a' + byte((i*7+i/modelLine)%26)
		if i%modelLine == modelLine-1 {
			p[i] = '\n'
		}
	}
	return p
}

// write writes the output from one offset to another, in pieces of random sizes, with events in between.
func (m *model) write(rng *rand.Rand, from, to int) {
	for from < to {
		n := min(1+rng.IntN(50_000), to-from)
		m.Write(m.output[from : from+n])
		if from += n; rng.IntN(3) == 0 {
			m.mu.Lock()
			m.events = append(m.events, int64(from))
			m.mu.Unlock()
			m.Emit(broadcaster.Resize{Cols: from % 50_000, Rows: from / 50_000})
		}
	}
}

// writeAll writes the whole output, so many bytes at a time, each time waits until the history has it, and ends the stream.
func (m *model) writeAll(rng *rand.Rand, step int) {
	for at := 0; at < len(m.output); at += step {
		m.write(rng, at, at+step)
		m.settle()
	}
	m.end()
}

// between returns how many events there are from one offset to another, including those at from.
func (m *model) between(from, to int64) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := func(offset int64) int {
		return sort.Search(len(m.events), func(i int) bool { return m.events[i] >= offset })
	}
	return at(to) - at(from)
}

// A follower reads a model's stream, and checks what it gets.
type follower struct {
	m      *model
	cursor *broadcaster.Cursor
	from   int64 // where it began, or continued after a reset
	at     int64
	events int   // since from
	resets int64 // bytes
}

// read reads until the offset to, or the end. It checks that no byte and no event is lost, doubled or in the
// wrong place.
func (f *follower) read(to int64) error {
	for f.at < to {
		item, err := f.cursor.Next(context.Background())
		switch {
		case err == io.EOF:
			if f.at != int64(len(f.m.output)) {
				return fmt.Errorf("ended at %d", f.at)
			}
			return f.check()
		case err != nil:
			return err
		case item.Reset != nil:
			if err := f.check(); err != nil {
				return err
			}
			r := item.Reset
			if r.Offset-r.SkippedBytes != f.at || r.Line != r.Offset/modelLine+1 || r.SkippedLines != r.Offset/modelLine-f.at/modelLine {
				return fmt.Errorf("at %d: reset %+v", f.at, *r)
			}
			f.resets += r.SkippedBytes
			f.at, f.from, f.events = r.Offset, r.Offset, 0
			if f.m.between(f.at, f.at+1) > 0 {
				f.from++ // the reset had the size
			}
		case item.Event != nil:
			size := item.Event.(broadcaster.Resize)
			if int64(size.Rows)*50_000+int64(size.Cols) != f.at {
				return fmt.Errorf("at %d: event %+v", f.at, size)
			}
			if f.at >= f.from {
				f.events++
			}
		default:
			if string(item.Data) != string(f.m.output[f.at:f.at+int64(len(item.Data))]) {
				return fmt.Errorf("wrong bytes at %d", f.at)
			}
			f.at += int64(len(item.Data))
		}
	}
	return f.check()
}

// check checks the number of events. Those at the follower's place may still come.
func (f *follower) check() error {
	least, most := f.m.between(f.from, f.at), f.m.between(f.from, f.at+1)
	if f.at > f.from && (f.events < least || f.events > most) {
		return fmt.Errorf("from %d to %d: %d events, want %d", f.from, f.at, f.events, least)
	}
	return nil
}

// TestRandomStarts reads a stream from 10,000 random places, while it is written, in part by readers that
// stop now and then and resume.
func TestRandomStarts(t *testing.T) {
	t.Parallel()
	const total, starts, readers = 96 << 20, 10_000, 8
	m := newModel(t, newStore(t, t.TempDir(), 256<<20), broadcaster.Options{Lines: 2000}, total)
	var wg sync.WaitGroup
	var done, past atomic.Int64
	for i := range readers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(i)))
			for done.Add(1) <= starts {
				end := m.Stats().End
				offset := rng.Int64N(end + 1)
				c, start, ok := m.Past(offset)
				if !ok || start.Offset != offset || start.Line != offset/modelLine+1 {
					t.Errorf("Past(%d) of %d: %+v, %v", offset, end, start, ok)
					return
				}
				f := &follower{m: m, cursor: c, from: offset, at: offset}
				err := f.read(min(offset+rng.Int64N(100_000), total))
				if offset < m.log.End().Offset {
					past.Add(1)
				}
				if rng.IntN(50) == 0 && err == nil { // it stops, and may fall out of the ring
					time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
					err = f.read(min(f.at+200_000, total))
				}
				if err != nil || f.resets > 0 {
					t.Errorf("from %d: %d bytes lost, %v", offset, f.resets, err)
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(2, 99))
	m.writeAll(rng, total/96)
	wg.Wait()
	if past.Load() < starts/2 {
		t.Errorf("only %d of %d starts in the history", past.Load(), starts)
	}
	f := &follower{m: m}
	f.cursor, _, _ = m.Past(0)
	if err := f.read(total); err != nil || f.resets > 0 {
		t.Errorf("from the beginning: %d bytes lost, %v", f.resets, err)
	}
}

// TestFollowersWhileSlotsAreDropped lets readers of every speed follow a stream whose history is far smaller.
// What they get is right, and what they miss is what a reset says.
func TestFollowersWhileSlotsAreDropped(t *testing.T) {
	t.Parallel()
	const total = 64 << 20
	m := newModel(t, newStore(t, t.TempDir(), 1<<20), broadcaster.Options{Lines: 2000}, total)
	var wg sync.WaitGroup
	var lost, sum atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(i)))
			c, _ := m.Open(-1)
			f := &follower{m: m, cursor: c, at: c.Offset(), from: c.Offset()}
			for f.at < total {
				if err := f.read(min(f.at+rng.Int64N(1<<20), total)); err != nil {
					t.Errorf("reader %d: %v", i, err)
					return
				}
				time.Sleep(time.Duration(rng.IntN(10*i+1)) * time.Millisecond)
			}
			lost.Add(f.resets)
			sum.Add(1)
		})
	}
	rng := rand.New(rand.NewPCG(3, 99))
	m.writeAll(rng, total/64)
	wg.Wait()
	if sum.Load() == 20 && lost.Load() == 0 {
		t.Error("no reader has lost anything: the test is too slow to drop slots under a reader")
	}
}
