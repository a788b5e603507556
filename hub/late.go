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
	// lateTime is for how long output may wait to be followed. A flood is published
	// more often: to be woken each time took a tenth of its CPU. In that time less may come
	// than a cursor may be behind what is kept, which is 1 MiB: at 60 MB/s it is 240 KB.
	lateTime = 4 * time.Millisecond
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

// A late follows a stream's screen, so that those who join late see what the
// others see.
type late struct {
	stream *broadcaster.Broadcaster
	cancel context.CancelFunc
	done   chan struct{}
	failed atomic.Int64 // programs that could not be followed

	mu      sync.Mutex // given back by release
	screen  *screen.Screen
	kept    Lines          // before the program that was followed last
	picture screen.Picture // for all who join
	made    time.Time      // when it was
	seen    int64          // offset that the screen was at then
	shared  opening        // for all who join likewise
}

// newLate follows stream in a goroutine, until close.
func newLate(stream *broadcaster.Broadcaster) *late {
	ctx, cancel := context.WithCancel(context.Background())
	l := &late{stream: stream, cancel: cancel, done: make(chan struct{}), screen: screen.New()}
	l.screen.History = l.history
	cursor, start := stream.Open(-1)
	l.screen.Skip(start.Offset)
	l.screen.Resize(start.Size.Cols, start.Size.Rows)
	go func() {
		defer close(l.done)
		l.run(ctx, cursor)
	}()
	return l
}

func (l *late) run(ctx context.Context, cursor *broadcaster.Cursor) {
	nap := time.NewTimer(0)
	defer nap.Stop()
	for {
		item, wait, err := cursor.Poll()
		switch {
		case err != nil:
			return
		case wait == nil:
			l.follow(ctx, item)
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
		nap.Reset(lateTime)
	}
}

// close ends what newLate started, and waits for it.
func (l *late) close() {
	l.cancel()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	l.screen.Close()
}

// release gives mu back, and tells of failures: who asks for them does not wait.
func (l *late) release() {
	l.failed.Store(int64(l.screen.Failures()))
	l.mu.Unlock()
}

// follow takes the screen through item, unless ctx is done before.
func (l *late) follow(ctx context.Context, item broadcaster.Item) {
	for data := item.Data; len(data) > 0 && ctx.Err() == nil; {
		data = data[l.write(data[:min(screenStep, len(data))]):]
	}
	if item.Reset != nil {
		l.mu.Lock()
		l.screen.Skip(item.Reset.Offset)
		l.release()
		l.resize(item.Reset.Size)
	}
	if size, ok := item.Event.(broadcaster.Resize); ok {
		l.resize(size)
	}
}

// write takes the screen through p for stepTime, and returns how far that was.
func (l *late) write(p []byte) int {
	stats := l.stream.Stats()
	l.mu.Lock()
	defer l.release()
	if stats.End-l.screen.Offset() > screenLag {
		l.screen.GiveUp()
	}
	l.screen.Forget(stats.Start - keptBytes) // of which tail is told
	n := l.screen.WriteUntil(p, time.Now().Add(stepTime))
	l.keep()
	return n
}

func (l *late) resize(size broadcaster.Resize) {
	l.mu.Lock()
	defer l.release()
	l.screen.Resize(size.Cols, size.Rows)
	l.picture = screen.Picture{}
}

// keep keeps the last lines before a program that has begun: the ring may lose
// them while it runs. mu must be held.
func (l *late) keep() {
	since, ok := l.screen.Since()
	if !ok || since == l.kept.since && l.kept.Text != nil {
		return
	}
	if kept, ok := l.tail(since, keptBytes); ok {
		l.kept = kept
	}
}

// history returns the end of the output before an offset, and the state there. mu
// must be held.
func (l *late) history(end int64) ([]byte, screen.State, bool) {
	lines, ok := l.tail(end, historyBytes)
	return lines.Text, lines.State, ok
}

// look makes a new picture if the last one shows something else, and that for longer
// than age. mu must be held.
func (l *late) look(age time.Duration) {
	since, _ := l.screen.Since()
	old := l.seen != l.screen.Offset() && time.Since(l.made) > age
	if !l.screen.Full() || l.picture.Text == nil || l.picture.From != since || old {
		l.picture, l.made, l.seen = l.screen.Picture(), time.Now(), l.screen.Offset()
	}
}
