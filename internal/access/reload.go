package access

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// reloadTime is how often files are looked at, at the most.
const reloadTime = time.Second

// A reloader holds what was read from files, and reads them again when they have
// changed. What can't be read leaves what there was, and is told once.
type reloader[T any] struct {
	paths []string
	read  func() (T, error)
	warn  func(error)

	value   atomic.Pointer[T]
	reading sync.Mutex // nobody waits for it
	looked  time.Time  // guarded by reading, as what follows
	then    []os.FileInfo
}

// start reads for the first time.
func (r *reloader[T]) start() error {
	r.looked, r.then = time.Now(), r.look()
	v, err := r.read()
	r.value.Store(&v)
	return err
}

// get returns what the files hold, or held a second ago.
func (r *reloader[T]) get() T {
	if !r.reading.TryLock() {
		return *r.value.Load()
	}
	defer r.reading.Unlock()
	if time.Since(r.looked) < reloadTime {
		return *r.value.Load()
	}
	// Looked at before they are read: what changes meanwhile is read again.
	now := r.look()
	changed := false
	for i := range now {
		changed = changed || !same(r.then[i], now[i])
	}
	r.looked, r.then = time.Now(), now
	if changed {
		if v, err := r.read(); err == nil {
			r.value.Store(&v)
		} else if r.warn != nil {
			r.warn(err)
		}
	}
	return *r.value.Load()
}

// look returns what is known of the files without reading them; nil for one that is
// not there.
func (r *reloader[T]) look() []os.FileInfo {
	infos := make([]os.FileInfo, len(r.paths))
	for i, path := range r.paths {
		infos[i], _ = os.Stat(path)
	}
	return infos
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}
