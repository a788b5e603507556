package hub

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// followTime is the pause between two looks at new output. Without a pause, the many
	// wakeups of a flood cost too much (docs/facts.md, hub). A longer pause risks losing the
	// colors: a cursor may be at most 1 MiB behind the ring, and a flood must not write that
	// much during one pause.
	followTime = 4 * time.Millisecond
	// screenStep is the most that is followed, in bytes, before a joining viewer gets the
	// lock, and stepTime is about the longest that this may take: there are sequences that
	// occupy the emulator for seconds (docs/facts.md, hub).
	screenStep = 4 << 10
	stepTime   = 10 * time.Millisecond
	// screenLag is how far the screen may be behind the output, in bytes. A program that
	// draws faster than the emulator is not followed.
	screenLag = 1 << 20
	// pictureTime is how long joining viewers share one picture, followed by the output since.
	pictureTime = 250 * time.Millisecond
	// keptBytes is how much of the normal screen's output is kept while a program fills the
	// screen, in bytes.
	keptBytes = 64 << 10
	// historyBytes is how much of that output the emulator gets, so that it knows where the
	// output leaves the cursor, in bytes. More would take too long (docs/facts.md, hub).
	historyBytes = 16 << 10
)

// A joinTracker follows a stream's screen, so that viewers who join late see what the others see.
// Its methods may be called concurrently.
type joinTracker struct {
	stream  *broadcaster.Broadcaster
	past    pictureStore // may be nil
	panics  *Panics
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutine
	failed  atomic.Int64   // programs that could not be followed; see release
	former  atomic.Pointer[formerRing]

	mu          sync.Mutex // unlocked with release if the screen may have changed
	screen      *screen.Screen
	replaced    int64          // failed, of the screens before this one
	kept        lines          // from before the program that was followed last
	picture     screen.Picture // for all joining viewers
	pictureMade time.Time      // when picture was made
	pictureAt   int64          // the screen's offset at that time
	shared      sharedStart    // of the viewer that joined last
	times       sharedTimes    // of the viewer that joined last
}

// newJoinTracker returns a tracker that follows stream in a goroutine. The caller must call close,
// which waits for the goroutine.
func newJoinTracker(stream *broadcaster.Broadcaster, past pictureStore, panics *Panics) *joinTracker {
	ctx, cancel := context.WithCancel(context.Background())
	t := &joinTracker{stream: stream, past: past, panics: panics, cancel: cancel}
	cursor, start := stream.Open(-1)
	t.screen = t.newScreen(start.Offset, start.Size)
	panics.KeepRunning(&t.running, "follow the screen", func() { t.run(ctx, cursor) }, func() { cursor = t.skip() })
	return t
}

// newScreen returns a screen that knows nothing before offset. Viewers that begin before it get the state at
// offset: finding theirs would take a scan of the output before, which may be what made the last screen panic.
func (t *joinTracker) newScreen(offset int64, size broadcaster.Resize) *screen.Screen {
	s := screen.New()
	s.History = t.history
	s.Panicked = t.panics.Reporter("draw the screen")
	s.Skip(offset)
	s.Forget(offset)
	s.Resize(size.Cols, size.Rows)
	return s
}

// run follows the stream until it ends or ctx is done.
func (t *joinTracker) run(ctx context.Context, cursor *broadcaster.Cursor) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		item, wait, err := cursor.Poll()
		if err == broadcaster.ErrBehind { // viewers that join need the present screen
			item, err = cursor.Skip(), nil
		}
		switch {
		case err != nil:
			return
		case wait == nil:
			t.follow(ctx, item)
			continue
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
		pause.Reset(followTime)
	}
}

// close stops the goroutine and waits for it. The other methods still work, with what is known by
// then.
func (t *joinTracker) close() {
	t.cancel()
	t.running.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Close()
}

// release unlocks mu, and publishes the number of failures so that readers of it need no lock. It must be
// deferred: during a panic, it replaces the screen, which may be in any state, and lets the panic go on.
func (t *joinTracker) release() {
	defer t.mu.Unlock()
	if v := recover(); v != nil {
		t.replace(t.screen.Offset())
		panic(v)
	}
	t.failed.Store(t.replaced + int64(t.screen.Failures()))
}

// replace replaces the screen by one that knows nothing before offset. mu must be held.
func (t *joinTracker) replace(offset int64) {
	t.replaced += int64(t.screen.Failures())
	old := t.screen
	t.screen = t.newScreen(offset, t.stream.Stats().Size)
	t.kept, t.picture, t.shared, t.times = lines{}, screen.Picture{}, sharedStart{}, sharedTimes{}
	old.Close()
}

// skip makes the screen continue at the current end of the stream, and returns a cursor there: what
// comes before might cause another panic. Until a program draws its screen again, viewers that join get
// its output as lines.
func (t *joinTracker) skip() *broadcaster.Cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	cursor, start := t.stream.Open(0)
	t.replace(start.Offset)
	return cursor
}

// follow updates the screen with an item. It stops early when ctx is done.
func (t *joinTracker) follow(ctx context.Context, item broadcaster.Item) {
	for data := item.Data; len(data) > 0 && ctx.Err() == nil; {
		data = data[t.write(data[:min(screenStep, len(data))]):]
	}
	if item.Reset != nil {
		t.miss(item.Reset.Offset)
		t.resize(item.Reset.Size)
	}
	if size, ok := item.Event.(broadcaster.Resize); ok {
		t.resize(size)
	}
}

// miss tells the screen that the output up to offset was missed.
func (t *joinTracker) miss(offset int64) {
	t.mu.Lock()
	defer t.release()
	t.screen.Skip(offset)
}

// write updates the screen with output for up to stepTime, and returns the number of bytes it took.
func (t *joinTracker) write(p []byte) int {
	stats := t.stream.Stats()
	t.mu.Lock()
	defer t.release()
	if stats.End-t.screen.Offset() > screenLag {
		t.screen.GiveUp()
	}
	t.screen.Forget(min(stats.Start-keptBytes, stats.Oldest)) // linesUpTo still needs the states of the kept lines
	n := t.screen.WriteUntil(p, time.Now().Add(stepTime))
	t.keepLines()
	t.storePicture()
	if former := t.former.Load(); former != nil && former.isPast(stats.Start) {
		t.former.Store(nil)
	}
	return n
}

// resize updates the screen with a new size of the terminal.
func (t *joinTracker) resize(size broadcaster.Resize) {
	t.mu.Lock()
	defer t.release()
	t.screen.Resize(size.Cols, size.Rows)
	t.picture = screen.Picture{}
}

// keepLines keeps the last lines before a program that has just begun: the ring may drop them
// while the program runs. mu must be held.
func (t *joinTracker) keepLines() {
	since, ok := t.screen.Since()
	if !ok || since == t.kept.since && t.kept.text != nil {
		return
	}
	if kept, ok := t.linesUpTo(t.stream.Snapshot(), since, keptBytes); ok {
		kept.text, kept.copied = [][]byte{bytes.Join(kept.text, nil)}, true // the ring may drop its own
		t.kept = kept
	}
}

// storePicture gives the history a picture of the program that fills the screen, now and then. mu must be held.
func (t *joinTracker) storePicture() {
	if t.past != nil && t.screen.Full() && t.past.NeedsPicture(t.screen.Offset()) {
		t.past.AddPicture(t.screen.Picture())
	}
}

// history returns the last output before the offset end, and the terminal's state at the beginning
// of that output. It reports whether the output could be read. mu must be held.
func (t *joinTracker) history(end int64) ([]byte, screen.State, bool) {
	lines, ok := t.linesUpTo(t.stream.Snapshot(), end, historyBytes)
	return bytes.Join(lines.text, nil), lines.State, ok
}

// refreshPicture makes a new picture, unless the last one is of the program that fills the screen
// now, and is up to date or at most age old. mu must be held.
func (t *joinTracker) refreshPicture(age time.Duration) {
	since, _ := t.screen.Since()
	old := t.pictureAt != t.screen.Offset() && time.Since(t.pictureMade) > age
	if !t.screen.Full() || t.picture.Text == nil || t.picture.From != since || old {
		t.picture, t.pictureMade, t.pictureAt = t.screen.Picture(), time.Now(), t.screen.Offset()
	}
}
