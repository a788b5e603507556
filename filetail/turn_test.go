package filetail

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A turnWriter counts what is written without a turn. It needs more time than a turn lasts.
type turnWriter struct {
	t     *testing.T
	turns chan struct{}
	bytes.Buffer
	without atomic.Int64 // bytes
}

func (w *turnWriter) Write(p []byte) (int, error) {
	if len(p) > smallPiece {
		w.t.Errorf("%d bytes are written at once", len(p))
	}
	if len(w.turns) == 0 {
		w.without.Add(int64(len(p)))
	}
	time.Sleep(2 * turnTime)
	return w.Buffer.Write(p)
}

// A Follow that catches up takes turns. It has none while it reads or waits, and small pieces need none.
func TestFollowTakesTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	content := strings.Repeat("a line\n", 50_000)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	synctest.Test(t, func(t *testing.T) {
		turns := make(chan struct{}, 1)
		w := &turnWriter{t: t, turns: turns}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- Follow(ctx, w, FollowOptions{Open: func() (*os.File, error) { return os.Open(path) }, Lines: 40_000, Turns: turns})
		}()
		add := func(text string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			f.WriteString(text)
			must(t, f.Close())
			content += text
			w.without.Store(0)
			time.Sleep(20 * DefaultPoll)
			synctest.Wait()
			without, want := int(w.without.Load()), len(text)
			if want > smallPiece {
				want = 0
			}
			if without != want {
				t.Errorf("%d of %d bytes are written without a turn", without, len(text))
			}
			if len(turns) != 0 {
				t.Errorf("%d turns are taken while Follow waits", len(turns))
			}
		}
		time.Sleep(20 * DefaultPoll)
		synctest.Wait()
		if n := w.without.Load(); n > smallPiece {
			t.Errorf("at first, %d bytes are written without a turn", n)
		}
		add("one more\n")
		add(strings.Repeat("a burst\n", 1_000))
		cancel()
		<-done
		if got, want := w.String(), content[10_000*len("a line\n"):]; got != want {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
	})
}

// While there is no turn, a Follow doesn't catch up, but copies what is appended to a file that it has read,
// and it ends with its context.
func TestFollowWaitsForATurn(t *testing.T) {
	for _, tt := range []struct{ name, content string }{
		{"with much to find the last lines in", strings.Repeat("a line\n", 10_000)},
		{"with little", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.log")
			must(t, os.WriteFile(path, []byte(tt.content), 0o600))
			synctest.Test(t, func(t *testing.T) {
				turns := make(chan struct{}, 1)
				turns <- struct{}{}
				var out bytes.Buffer
				var events []any
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() {
					done <- Follow(ctx, &out, FollowOptions{
						Open:  func() (*os.File, error) { return os.Open(path) },
						Lines: 5_000, Turns: turns, Event: func(e any) { events = append(events, e) },
					})
				}()
				synctest.Wait()
				want := ""
				if tt.content == "" {
					want = "a line\n"
					must(t, os.WriteFile(path, []byte(want), 0o600))
				}
				time.Sleep(2 * DefaultPoll)
				synctest.Wait()
				if out.String() != want || len(events) != len(want)/len("a line\n") {
					t.Errorf("without a turn: %.100q, %v", &out, events)
				}
				cancel()
				if err := <-done; err != context.Canceled || len(events) > 1 {
					t.Errorf("%v, %v", err, events)
				}
			})
		})
	}
}

// The search for the last lines has no turn while it reads.
func TestReadingNeedsNoTurn(t *testing.T) {
	turn := turn{turns: make(chan struct{}, 1)}
	text := strings.NewReader(strings.Repeat("a line\n", 100_000))
	reads := 0
	r := turn.reader(t.Context(), readFunc(func(p []byte, offset int64) (int, error) {
		if reads++; turn.taken || len(turn.turns) != 0 {
			t.Error("a read has a turn")
		}
		return text.ReadAt(p, offset)
	}))
	if _, err := Tail(r, text.Size(), 90_000, 0); err != nil || !turn.taken || reads < 2 {
		t.Errorf("%v, %d reads", err, reads)
	}
	turn.end()
	turn.end()
	if len(turn.turns) != 0 {
		t.Error("the turn isn't returned")
	}
}

// A turn that has lasted for long is the next one's.
func TestTurnsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := make(chan struct{}, 1)
		first, second := turn{turns: turns}, turn{turns: turns}
		first.take(t.Context())
		had := make(chan struct{}, 1)
		go func() {
			second.take(t.Context())
			had <- struct{}{}
			second.end()
		}()
		for _, want := range []int{0, 1} {
			synctest.Wait()
			time.Sleep(turnTime / 2)
			if first.take(t.Context()); len(had) != want || !first.taken {
				t.Errorf("%v after the start, the other one has had %d turns, want %d", time.Since(first.since), len(had), want)
			}
		}
		first.end()
	})
}
