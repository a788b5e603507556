package filetail

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A follower is the state of one [Follow].
type follower struct {
	o   FollowOptions
	w   io.Writer
	sub *subscription
	buf []byte

	started bool
	missing bool // the name stood for nothing before the start

	cur   *source   // nil before the start, and when a deleted file was closed
	lost  time.Time // when the name was found not to stand for cur; zero if it does
	left  bool      // cur was read to its end since its time was over
	queue []*source // what it stood for after that, oldest first
	past  []past    // most recent last

	away     time.Time // since when Open fails; zero if it does not
	reason   Reason    // told of that; "" if nothing was yet
	lookedAt time.Time
	read     time.Time // when bytes were last read
}

func (f *follower) close() {
	f.sub.close()
	if f.cur != nil {
		f.cur.f.Close()
	}
	for _, s := range f.queue {
		s.f.Close()
	}
}

func (f *follower) run(ctx context.Context) error {
	for named := true; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := time.Now()
		if at := f.nextLook(); named || !at.IsZero() && !now.Before(at) {
			f.look(now)
		}
		end, err := f.step()
		switch {
		case err != nil:
			return err
		case !end:
			named = f.signaled()
		case f.advance(now):
			named = false
		default:
			named = f.wait(ctx)
		}
	}
}

// signaled reports whether there is a signal that the name has changed.
func (f *follower) signaled() bool {
	select {
	case <-f.sub.named:
		return true
	default:
		return false
	}
}

// wait waits until there may be something to do, and reports whether that is to look
// at the name.
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
				grown = nil // once: it is read soon
				continue
			}
		case <-f.sub.named:
			return true
		case <-timeout:
		}
		return false
	}
}

// earlier returns the earlier of two times, of which a zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// patience is how long a name may stand for nothing before that is told: between the
// two steps of a rotation it does, too.
func (f *follower) patience() time.Duration {
	if f.o.Poll < 0 {
		return DefaultPoll
	}
	return f.o.Poll
}

// nextLook returns when to look at the name unasked; zero is never.
func (f *follower) nextLook() time.Time {
	var at time.Time
	if f.o.Poll > 0 {
		at = f.lookedAt.Add(f.o.Poll)
	}
	if !f.away.IsZero() && f.reason == "" {
		at = earlier(at, f.away.Add(f.patience()))
	}
	return at
}

// look finds out what the name stands for.
func (f *follower) look(now time.Time) {
	f.lookedAt = now
	f.watch()
	s, err := f.open(now)
	if err != nil && f.why(err) == Unreadable {
		s, err = f.open(now) // it may have come between the two
	}
	if err != nil {
		f.lookedAway(now, err)
		return
	}
	f.away = time.Time{}
	if f.reason != "" {
		f.reason = ""
		f.emit(Back{})
	}
	newest := f.cur
	if len(f.queue) > 0 {
		newest = f.queue[len(f.queue)-1]
	}
	switch {
	case newest == nil || !os.SameFile(newest.info, s.info):
		f.queue = append(f.queue, s)
		if f.lost.IsZero() {
			f.lost = now
		}
		return
	case newest.broken:
		newest.f, s.f = s.f, newest.f
		newest.broken = false
	}
	s.f.Close()
	if newest == f.cur {
		f.lost, f.left = time.Time{}, false
	}
}

// open returns what the name stands for, if it can be read.
func (f *follower) open(now time.Time) (*source, error) {
	file, err := f.o.Open()
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && f.cur != nil && f.cur.broken {
		// A file system in trouble may open what it can't read.
		if _, err = file.ReadAt(f.buf[:1], f.cur.offset); err == io.EOF {
			err = nil
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &source{f: file, info: info, since: now}, nil
}

// lookedAway notes that the name can't be opened, and tells it in time.
func (f *follower) lookedAway(now time.Time, err error) {
	if f.away.IsZero() {
		f.away = now
	}
	if f.lost.IsZero() {
		f.lost = now
	}
	reason := f.why(err)
	if !f.started && reason == Removed {
		f.missing = true
	}
	if reason != f.reason && (!f.started || f.reason != "" || now.Sub(f.away) >= f.patience()) {
		f.reason = reason
		f.emit(Gone{reason})
	}
}

// why says why the name can't be opened. It looks at the name alone, not at what a
// link points to, which its readers may not be allowed to know.
func (f *follower) why(err error) Reason {
	if f.o.Path == "" {
		if errors.Is(err, fs.ErrNotExist) {
			return Removed
		}
		return Unreadable
	}
	info, err := os.Lstat(f.o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Removed
	case err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return NotRegular
	}
	return Unreadable
}

// watch subscribes to the name and, where that is a link, to what it points to.
func (f *follower) watch() {
	if f.o.Path == "" {
		return
	}
	files := []string{f.o.Path}
	if real, err := filepath.EvalSymlinks(f.o.Path); err == nil {
		files = append(files, real)
	}
	f.sub.set(files...)
}

// step copies what fits the buffer. end reports whether the file ended with that,
// or none is read.
func (f *follower) step() (end bool, err error) {
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
	_, err = f.w.Write(data)
	return len(data) < len(f.buf)-fingerprintSize, err
}

// advance goes over to the next file, if there is one and it was time at now, since
// when cur was read to its end. It also closes a file that was deleted.
func (f *follower) advance(now time.Time) bool {
	over := f.cur == nil || !f.lost.IsZero() && now.Sub(f.lost) >= f.o.Linger
	if len(f.queue) == 0 {
		f.left = over
		if over && f.cur != nil && f.cur.nameless() {
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
		f.emit(Rotated{next.offset})
	} else if err := f.start(next); err != nil {
		next.f.Close()
		f.lookedAway(now, err)
		return true
	}
	f.cur, f.lost, f.left = next, f.away, false
	if len(f.queue) > 0 {
		f.lost = f.queue[0].since
	}
	return true
}

// start finds where to begin in the first file.
func (f *follower) start(s *source) error {
	var offset int64
	var err error
	if !f.missing {
		offset, err = Tail(s.f, f.o.Lines, f.o.Bytes)
	}
	if err == nil {
		err = s.seek(offset, nil)
	}
	if err != nil {
		return err
	}
	f.started = true
	f.emit(Start{s.offset, max(s.offset, s.info.Size())})
	return nil
}

// leave closes cur and remembers where its reading ended. A deleted file never comes
// back, but its inode may, for another.
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

// recall moves s to where its reading ended if it was read before.
func (f *follower) recall(s *source) {
	i := slices.IndexFunc(f.past, func(p past) bool { return os.SameFile(p.info, s.info) })
	if i < 0 {
		return
	}
	p := f.past[i]
	f.past = slices.Delete(f.past, i, i+1)
	if s.seek(p.offset, p.fingerprint) != nil {
		s.offset, s.fingerprint = 0, nil // reading it will tell
	}
}

func (f *follower) emit(event any) {
	if f.o.Event != nil {
		f.o.Event(event)
	}
}
