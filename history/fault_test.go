package history

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/broadcaster"
)

// A witness counts what a store reports.
type witness struct {
	mu       sync.Mutex
	reported []error
}

func (w *witness) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reported = append(w.reported, err)
}

func (w *witness) check(t *testing.T, n int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reported) != n {
		t.Errorf("reported %v, want %d problems", w.reported, n)
	}
}

// Without a directory, there is no history, and everything else goes on.
func TestNoDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const total = 16 << 20
	var w witness
	bad := []string{filepath.Join(dir, "none"), file}
	s := New(Options{Delay: time.Millisecond, Dirs: bad, Report: w.report})
	defer s.Close()
	m := newModel(t, s, broadcaster.Options{Lines: 2000}, total)
	c, _ := m.Open(-1)
	m.write(rand.New(rand.NewPCG(9, 9)), 0, total)
	m.end()
	f := &follower{m: m, cursor: c}
	if err := f.read(total); err != nil || f.resets != m.Stats().Start {
		t.Errorf("%d bytes lost, %v", f.resets, err)
	}
	w.check(t, 1)

	var other witness
	s = New(Options{Delay: time.Millisecond, Dirs: append(bad, dir), Report: other.report})
	defer s.Close()
	m = newModel(t, s, broadcaster.Options{Lines: 2000}, total)
	c, _ = m.Open(-1)
	m.write(rand.New(rand.NewPCG(9, 10)), 0, 4<<20)
	m.settle()
	m.write(rand.New(rand.NewPCG(9, 10)), 4<<20, 8<<20)
	f = &follower{m: m, cursor: c}
	if err := f.read(8 << 20); err != nil || f.resets > 0 {
		t.Errorf("in the last directory: %d bytes lost, %v", f.resets, err)
	}
	m.Close()
	other.check(t, 0)
}

// A disk that is slower than the command makes a hole of exactly the size that a reset says. The command
// doesn't wait for it.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	const total = 48 << 20
	s := newStore(t, t.TempDir(), 128<<20)
	s.open()
	stall, stalled := make(chan struct{}), make(chan struct{})
	var writes atomic.Int64
	write := s.writeAt
	s.writeAt = func(p []byte, at int64) (int, error) {
		if writes.Add(1) == 20 {
			close(stalled)
			<-stall
		}
		return write(p, at)
	}
	m := newModel(t, s, broadcaster.Options{Lines: 2000}, total)
	c, _ := m.Open(-1)
	rng := rand.New(rand.NewPCG(10, 10))
	m.write(rng, 0, 4<<20)
	<-stalled
	m.write(rng, 4<<20, total-16<<20)
	start := m.Stats().Start
	close(stall)
	m.settle()
	m.write(rng, total-16<<20, total-8<<20)
	m.settle()
	m.write(rng, total-8<<20, total)
	m.end()
	f := &follower{m: m, cursor: c}
	if err := f.read(total); err != nil {
		t.Fatal(err)
	}
	var held, gone int64
	for at := int64(0); at < m.log.End().Offset; {
		p, err := m.log.Output(at)
		if err == nil {
			at += int64(len(p))
			held += int64(len(p))
			continue
		}
		next := m.log.Next(at)
		if !errors.Is(err, ErrGone) || next.Offset <= at || next.Line != next.Offset/modelLine+1 {
			t.Fatalf("Output(%d): %v; continues at %v", at, err, next)
		}
		gone += next.Offset - at
		if line, err := m.log.Line(at/modelLine + 10); err != nil || line != next {
			t.Errorf("a line in the hole is at %v, %v; want %v", line, err, next)
		}
		at = next.Offset
	}
	if f.resets != gone || gone+held != total || start-gone > 3<<20 || gone == 0 {
		t.Errorf("%d bytes are gone, %d held, and %d lost by a reader; the ring began at %d", gone, held, f.resets, start)
	}
}

// A block that can't be read or written is a hole.
func TestBadBlocks(t *testing.T) {
	t.Parallel()
	const total = 24 << 20
	for _, reading := range []bool{true, false} {
		var w witness
		s := New(Options{Delay: time.Millisecond, Bytes: 64 << 20, Dirs: []string{t.TempDir()}, Report: w.report})
		defer s.Close()
		s.open()
		read, write := s.readAt, s.writeAt
		bad := errors.New("bad block")
		var writes int
		if reading {
			s.readAt = func(p []byte, at int64) (int, error) {
				if at > 5<<20 && at < 6<<20 {
					return 0, bad
				}
				return read(p, at)
			}
		} else {
			s.writeAt = func(p []byte, at int64) (int, error) {
				if writes++; writes%50 == 0 {
					return 0, bad
				}
				return write(p, at)
			}
		}
		m := newModel(t, s, broadcaster.Options{Lines: 2000}, total)
		c, _ := m.Open(-1)
		rng := rand.New(rand.NewPCG(11, 11))
		m.writeAll(rng, 1<<20)
		f := &follower{m: m, cursor: c}
		if err := f.read(total); err != nil || f.resets < 3*blockSize || f.resets > 2<<20 {
			t.Errorf("reading %v: %d bytes lost, %v", reading, f.resets, err)
		}
		w.check(t, 1)
	}
}

// Of several streams, those that have ended are dropped first, oldest first, and always at lines.
func TestEndedRunsAreDroppedFirst(t *testing.T) {
	t.Parallel()
	const total = 3 << 20
	s := newStore(t, t.TempDir(), 8<<20)
	rng := rand.New(rand.NewPCG(12, 12))
	var all []*model
	live := newModel(t, s, broadcaster.Options{Lines: 1000}, 24<<20)
	live.write(rng, 0, 1<<20) // its slots are the oldest
	live.settle()
	for range 2 {
		m := newModel(t, s, broadcaster.Options{Lines: 1000}, total)
		m.write(rng, 0, total)
		m.end()
		all = append(all, m)
	}
	starts := func() (at [3]int64) {
		for i, m := range append(all, live) {
			first, _ := m.log.First()
			if at[i] = first.Offset; first.Offset%modelLine != 0 && first.Offset != int64(len(m.output)) || first.Line != first.Offset/modelLine+1 {
				t.Fatalf("stream %d begins at %v, which is no line", i, first)
			}
		}
		return at
	}
	for at := 1 << 20; at < 24<<20; at += 1 << 18 {
		live.write(rng, at, at+1<<18)
		live.settle()
		got := starts()
		if got[1] > 0 && got[0] < total || got[2] > 0 && got[1] < total {
			t.Fatalf("at %d, the streams begin at %v", at, got)
		}
		if s.Size() > 8<<20 {
			t.Fatalf("%d bytes are in use", s.Size())
		}
	}
	live.end()
	if got := starts(); got[0] != total || got[1] != total || got[2] < 16<<20 || got[2] > 17<<20 {
		t.Errorf("in the end, the streams begin at %v", got)
	}
	all[0].log.Close()
	live.log.Close()
	all[1].log.Close()
	if s.Size() != 0 {
		t.Errorf("%d bytes are in use by closed logs", s.Size())
	}
}

// Output without any newline has lines, too: one.
func TestLongLine(t *testing.T) {
	t.Parallel()
	const total = 64 << 20
	s := newStore(t, t.TempDir(), 32<<20)
	b := follow(t, s, broadcaster.Options{Bytes: 1 << 20})
	piece := make([]byte, 1<<20)
	for i := range piece {
		piece[i] = "äöü€"[i%9]
	}
	c, _ := b.Open(-1)
	for range total >> 20 {
		b.Write(piece)
		b.settle()
	}
	b.end()
	first, ok := b.log.First()
	if !ok || first.Line != 1 || first.Offset < total/2 || first.Offset > total/2+2<<20 {
		t.Errorf("First = %v, %v", first, ok)
	}
	item, err := c.Next(t.Context())
	if err != nil || item.Reset == nil || item.Reset.Offset != first.Offset || item.Reset.SkippedBytes != first.Offset {
		t.Fatalf("the first item is %+v, %v", item.Reset, err)
	}
	if item, _ = c.Next(t.Context()); len(item.Data) == 0 || item.Data[0] != piece[first.Offset%(1<<20)] || item.Data[0]&0xc0 == 0x80 {
		t.Errorf("after the reset: %.10q", item.Data)
	}
	for n, want := range map[int64]error{1: nil, 2: ErrAhead} {
		if _, err := b.log.Line(n); err != want {
			t.Errorf("Line(%d): %v, want %v", n, err, want)
		}
	}
}

// A slot that is dropped and used again while it is read never gives wrong bytes.
func TestSlotIsDroppedWhileItIsRead(t *testing.T) {
	t.Parallel()
	const total = 8 << 20
	s := newStore(t, t.TempDir(), 1<<20)
	s.open()
	m := newModel(t, s, broadcaster.Options{Lines: 1000}, total)
	rng := rand.New(rand.NewPCG(15, 15))
	m.write(rng, 0, 1<<20)
	m.settle()
	first, _ := m.log.First()
	read := s.readAt
	var once sync.Once
	s.readAt = func(p []byte, at int64) (int, error) {
		once.Do(func() {
			for at := 1 << 20; at < total; at += 1 << 20 {
				m.write(rng, at, at+1<<20)
				m.settle()
			}
		})
		return read(p, at)
	}
	p := make([]byte, 10)
	if n, err := m.log.ReadAt(p, first.Offset); err != ErrGone {
		t.Errorf("ReadAt: %q, %v", p[:n], err)
	}
	if place := m.log.Next(first.Offset); place.Offset%modelLine != 0 || place.Offset < total-2<<20 {
		t.Errorf("the output continues at %v", place)
	}
}

// Fill may be called again after a panic. The history then has a hole at most.
func TestFillAfterPanic(t *testing.T) {
	t.Parallel()
	const total = 16 << 20
	s := newStore(t, t.TempDir(), 64<<20)
	s.open()
	write, writes := s.writeAt, 0
	s.writeAt = func(p []byte, at int64) (int, error) {
		if writes++; writes%20 == 0 {
			panic("planted")
		}
		return write(p, at)
	}
	m := &model{stream: &stream{Broadcaster: broadcaster.New(broadcaster.Options{Lines: 2000})}, output: modelOutput(total)}
	m.log = s.Follow(m.Broadcaster)
	defer m.log.Close()
	panics := 0
	m.filled.Go(func() {
		for again := true; again; {
			func() {
				defer func() {
					if again = recover() != nil; again {
						panics++
					}
				}()
				m.log.Fill(t.Context())
			}()
		}
	})
	c, _ := m.Open(-1)
	rng := rand.New(rand.NewPCG(16, 16))
	m.writeAll(rng, 1<<20)
	f := &follower{m: m, cursor: c}
	if err := f.read(total); err != nil || panics < 5 || f.resets == 0 || f.resets > int64(panics)*2*blockSize {
		t.Errorf("%d bytes lost after %d panics, %v", f.resets, panics, err)
	}
}
