package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// followTime is for how long output may wait to be followed. A flood is published
	// more often: to be woken each time took a tenth of its CPU. In that time less may come
	// than a cursor may be behind what is kept, which is 1 MiB: at 60 MB/s it is 240 KB.
	followTime = 4 * time.Millisecond
	// screenStep is how many bytes are followed at a time, at the most, before
	// somebody who joins gets a turn, and stepTime how long that may take: the emulator
	// needs a millisecond or two for them, or seconds (for a thousand scrolls).
	screenStep = 4 << 10
	stepTime   = 10 * time.Millisecond
	// screenLag is how far the screen may be behind the output, in bytes. A
	// program that draws faster than the emulator is not followed.
	screenLag = 1 << 20
	// pictureTime is for how long those who join get the same picture, and what
	// was written since.
	pictureTime = 250 * time.Millisecond
	// keptBytes is how much is kept of the normal screen's lines while a program
	// fills the screen, whatever that writes, in bytes.
	keptBytes = 64 << 10
	// historyBytes is how much of them the emulator is shown, to know where they
	// leave the cursor, in bytes: some 6 ms of its time.
	historyBytes = 16 << 10
)

// A joinTracker follows a stream's screen, so that viewers who join late see what the
// others see.
type joinTracker struct {
	stream *broadcaster.Broadcaster
	cancel context.CancelFunc
	done   chan struct{}
	failed atomic.Int64 // programs that could not be followed

	mu          sync.Mutex // given back by release
	screen      *screen.Screen
	kept        Lines          // before the program that was followed last
	picture     screen.Picture // for all who join
	pictureMade time.Time      // when it was
	pictureAt   int64          // offset that the screen was at then
	shared      opening        // for all who join likewise
	times       sharedTimes    // and their times
}

// newJoinTracker follows stream in a goroutine, until close.
func newJoinTracker(stream *broadcaster.Broadcaster) *joinTracker {
	ctx, cancel := context.WithCancel(context.Background())
	t := &joinTracker{stream: stream, cancel: cancel, done: make(chan struct{}), screen: screen.New()}
	t.screen.History = t.history
	cursor, start := stream.Open(-1)
	t.screen.Skip(start.Offset)
	t.screen.Resize(start.Size.Cols, start.Size.Rows)
	go func() {
		defer close(t.done)
		t.run(ctx, cursor)
	}()
	return t
}

func (t *joinTracker) run(ctx context.Context, cursor *broadcaster.Cursor) {
	nap := time.NewTimer(0)
	defer nap.Stop()
	for {
		item, wait, err := cursor.Poll()
		switch {
		case err != nil:
			return
		case wait == nil:
			t.follow(ctx, item)
			continue
		}
		select {
		case <-nap.C:
		case <-ctx.Done():
			return
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
		nap.Reset(followTime)
	}
}

// close ends what newJoinTracker started, and waits for it.
func (t *joinTracker) close() {
	t.cancel()
	<-t.done
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Close()
}

// release gives mu back, and tells of failures: who asks for them does not wait.
func (t *joinTracker) release() {
	t.failed.Store(int64(t.screen.Failures()))
	t.mu.Unlock()
}

// follow takes the screen through item, unless ctx is done before.
func (t *joinTracker) follow(ctx context.Context, item broadcaster.Item) {
	for data := item.Data; len(data) > 0 && ctx.Err() == nil; {
		data = data[t.write(data[:min(screenStep, len(data))]):]
	}
	if item.Reset != nil {
		t.mu.Lock()
		t.screen.Skip(item.Reset.Offset)
		t.release()
		t.resize(item.Reset.Size)
	}
	if size, ok := item.Event.(broadcaster.Resize); ok {
		t.resize(size)
	}
}

// write takes the screen through p for stepTime, and returns how far that was.
func (t *joinTracker) write(p []byte) int {
	stats := t.stream.Stats()
	t.mu.Lock()
	defer t.release()
	if stats.End-t.screen.Offset() > screenLag {
		t.screen.GiveUp()
	}
	t.screen.Forget(stats.Start - keptBytes) // of which tail is told
	n := t.screen.WriteUntil(p, time.Now().Add(stepTime))
	t.keepLines()
	return n
}

func (t *joinTracker) resize(size broadcaster.Resize) {
	t.mu.Lock()
	defer t.release()
	t.screen.Resize(size.Cols, size.Rows)
	t.picture = screen.Picture{}
}

// keepLines keeps the last lines before a program that has begun: the ring may lose
// them while it runs. mu must be held.
func (t *joinTracker) keepLines() {
	since, ok := t.screen.Since()
	if !ok || since == t.kept.since && t.kept.Text != nil {
		return
	}
	if kept, ok := t.linesUpTo(t.stream.Snapshot(), since, keptBytes); ok {
		t.kept = kept
	}
}

// history returns the end of the output before an offset, and the state there. mu
// must be held.
func (t *joinTracker) history(end int64) ([]byte, screen.State, bool) {
	lines, ok := t.linesUpTo(t.stream.Snapshot(), end, historyBytes)
	return lines.Text, lines.State, ok
}

// refreshPicture makes a new picture if the last one shows something else, and that for longer
// than age. mu must be held.
func (t *joinTracker) refreshPicture(age time.Duration) {
	since, _ := t.screen.Since()
	old := t.pictureAt != t.screen.Offset() && time.Since(t.pictureMade) > age
	if !t.screen.Full() || t.picture.Text == nil || t.picture.From != since || old {
		t.picture, t.pictureMade, t.pictureAt = t.screen.Picture(), time.Now(), t.screen.Offset()
	}
}
