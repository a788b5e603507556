package filetail

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"time"
)

// advance moves on to the next file, if there is one and either the time of cur is over or
// too many files wait, and reports whether it did. now must be from before cur was last
// read to its end. advance also closes a deleted file whose time is over.
func (f *follower) advance(ctx context.Context, now time.Time) bool {
	over := f.cur == nil || !f.lost.IsZero() && now.Sub(f.lost) >= f.o.Linger
	if len(f.queue) == 0 {
		f.left = over
		if over && f.cur != nil && f.cur.nameless() {
			f.reading(nil)
			f.cur.f.Close()
			f.cur = nil
		}
		return false
	}
	if !over && len(f.queue) <= maxQueue {
		return false
	}
	next := f.queue[0]
	f.queue = slices.Delete(f.queue, 0, 1)
	if f.started {
		f.leave()
		f.recall(next)
		f.reading(next)
		f.emit(Rotated{next.offset})
	} else if err := f.start(ctx, next); err != nil {
		next.f.Close()
		if ctx.Err() == nil {
			f.lookedAway(now, f.why(err))
		}
		return true
	}
	f.cur, f.lost, f.left = next, f.away, false
	if len(f.queue) > 0 {
		f.lost = f.queue[0].since
	}
	return true
}

// start finds where to begin in the first file.
func (f *follower) start(ctx context.Context, s *source) error {
	var offset int64
	var err error
	defer f.turn.end()
	if !f.missing {
		offset, err = Tail(f.turn.reader(ctx, s.f), s.info.Size(), f.o.Lines, f.o.Bytes)
	}
	if err == nil {
		err = s.seek(offset, nil)
	}
	if err != nil {
		return err
	}
	f.started = true
	f.reading(s)
	f.emit(Start{s.offset, max(s.offset, s.info.Size())})
	return nil
}

// leave closes cur and remembers how far it was read. A deleted file never returns, but a
// new file may get its inode.
func (f *follower) leave() {
	s := f.cur
	if s == nil {
		return
	}
	if s.offset > 0 && !s.nameless() {
		f.past = append(f.past, past{s.info, s.offset, s.fingerprint})
		f.past = f.past[max(0, len(f.past)-maxPast):]
	}
	s.f.Close()
	f.cur = nil
}

// recall moves s to where it was read to, if it was read before.
func (f *follower) recall(s *source) {
	i := slices.IndexFunc(f.past, func(p past) bool { return os.SameFile(p.info, s.info) })
	if i < 0 {
		return
	}
	p := f.past[i]
	f.past = slices.Delete(f.past, i, i+1)
	if s.seek(p.offset, p.fingerprint) != nil {
		s.offset, s.fingerprint = 0, nil // reading the file will show what is wrong
	}
}

// A past is how far a file was read before the name referred to another file. The name may
// return to it, for example if it is a symbolic link.
type past struct {
	info        fs.FileInfo
	offset      int64
	fingerprint []byte
}
