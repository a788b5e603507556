package filetail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// patience is how long a name may refer to no file before Gone is emitted: between the two
// steps of a rotation there is no file either.
func (f *follower) patience() time.Duration {
	if f.o.Poll < 0 {
		return DefaultPoll
	}
	return f.o.Poll
}

// nextLook returns when to check the name without a signal; zero means never.
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

// look finds out which file the name refers to.
func (f *follower) look(now time.Time) {
	f.lookedAt = now
	f.watch()
	s, err := f.open(now)
	for tries := 1; err != nil; tries++ {
		reason := f.why(err)
		if reason != Unreadable || tries == 2 {
			f.lookedAway(now, reason)
			return
		}
		s, err = f.open(now) // it may have been created between the two checks
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
	reopened := newest != nil && newest.broken
	switch {
	case newest == nil || !os.SameFile(newest.info, s.info):
		f.queue = append(f.queue, s)
		if f.lost.IsZero() {
			f.lost = now
		}
		return
	case reopened:
		newest.f, s.f = s.f, newest.f
		newest.broken = false
	}
	s.f.Close()
	if newest == f.cur {
		f.lost, f.left = time.Time{}, false
		if reopened {
			f.reading(f.cur)
		}
	}
}

// open opens the file that the name refers to, if it can be read.
func (f *follower) open(now time.Time) (*source, error) {
	file, err := f.o.Open()
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && f.cur != nil && f.cur.broken {
		// A failing file system may open a file that it can't read.
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

// lookedAway records that the name can't be opened and why, and emits Gone once patience is over.
func (f *follower) lookedAway(now time.Time, reason Reason) {
	if f.away.IsZero() {
		f.away = now
	}
	if f.lost.IsZero() {
		f.lost = now
	}
	if !f.started && reason == Removed {
		f.missing = true
	}
	if reason != f.reason && (!f.started || f.reason != "" || now.Sub(f.away) >= f.patience()) {
		f.reason = reason
		f.emit(Gone{reason})
	}
}

// why returns the reason that the name can't be opened. It inspects only the name itself,
// not the target of a link, which viewers may not be allowed to know about.
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

// watch subscribes to the name and, if the name is a link, to the link's target.
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
