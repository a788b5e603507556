package filetail

import (
	"context"
	"io"
	"slices"
	"time"
)

// A follower is the state of one [Follow].
type follower struct {
	o    FollowOptions
	w    io.Writer
	turn turn
	sub  *subscription
	buf  []byte

	started bool
	missing bool // the file did not exist before the start

	cur   *source   // nil before the start, and after a deleted file was closed
	lost  time.Time // when the name was found to refer to cur no longer; zero while it does
	left  bool      // cur was read to its end after its time was over
	queue []*source // the files that the name referred to after cur, oldest first
	past  []past    // files left, most recent last

	away     time.Time // when Open began to fail; zero if it doesn't
	reason   Reason    // as in the last Gone; "" if the name is not gone
	lookedAt time.Time // when the name was last checked
	read     time.Time // when bytes were last read
}

// close closes the subscription and all open files.
func (f *follower) close() {
	f.sub.close()
	if f.cur != nil {
		f.cur.f.Close()
	}
	for _, s := range f.queue {
		s.f.Close()
	}
}

// run implements [Follow].
func (f *follower) run(ctx context.Context) error {
	for named := true; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := time.Now()
		if at := f.nextLook(); named || !at.IsZero() && !now.Before(at) {
			f.look(now)
		}
		end, err := f.step(ctx)
		switch {
		case err != nil:
			return err
		case !end:
			named = f.signaled()
		case f.advance(ctx, now):
			named = false
		default:
			named = f.wait(ctx)
		}
	}
}

// signaled reports whether the Watcher has signaled that the name may have changed.
func (f *follower) signaled() bool {
	select {
	case <-f.sub.named:
		return true
	default:
		return false
	}
}

// wait waits until there may be something to do, and reports whether to check the name.
func (f *follower) wait(ctx context.Context) (named bool) {
	grown, until, resting := f.sub.grown, f.nextLook(), false
	if f.cur != nil && !f.lost.IsZero() && !f.left {
		until = earlier(until, f.lost.Add(f.o.Linger))
	}
	if rested := f.read.Add(breath); time.Now().Before(rested) {
		until, resting = earlier(until, rested), true
	}
	var timeout <-chan time.Time
	if !until.IsZero() {
		timeout = time.After(time.Until(until))
	}
	for {
		select {
		case <-ctx.Done():
		case <-grown:
			if resting && f.cur != nil {
				f.cur.glance()
				grown = nil // only once: it will be read soon
				continue
			}
		case <-f.sub.named:
			return true
		case <-timeout:
		}
		return false
	}
}

// earlier returns the earlier of two times; a zero time means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// step copies at most one buffer. end reports whether that reached the end of the file, or
// no file is being read.
func (f *follower) step(ctx context.Context) (end bool, err error) {
	if f.cur == nil || f.cur.broken || f.left && len(f.queue) == 0 {
		return true, nil
	}
	data, cut, err := f.cur.read(f.buf)
	switch {
	case err != nil:
		f.cur.broken = true
		if f.away.IsZero() {
			f.away, f.lost = time.Now(), earlier(f.lost, time.Now())
		}
		return true, nil
	case cut != nil:
		f.emit(*cut)
		return false, nil
	case len(data) == 0:
		return true, nil
	}
	f.read = time.Now()
	return len(data) < len(f.buf)-fingerprintSize, f.write(ctx, data)
}

// write writes what was read.
func (f *follower) write(ctx context.Context, data []byte) error {
	defer f.turn.end()
	for piece := range slices.Chunk(data, smallPiece) {
		if len(data) > smallPiece {
			if err := f.turn.take(ctx); err != nil {
				return err
			}
		}
		if _, err := f.w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) reading(s *source) {
	switch {
	case f.o.Reading == nil:
	case s == nil:
		f.o.Reading(nil)
	default:
		f.o.Reading(s.f)
	}
}

func (f *follower) emit(event any) {
	if f.o.Event != nil {
		f.o.Event(event)
	}
}
