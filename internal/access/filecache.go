package access

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// checkTime is the least time between two looks at whether files have changed.
const checkTime = time.Second

// A fileCache holds a value that is read from files, and reads it again when they change. If
// that fails, it keeps the previous value. After open, its methods may be called concurrently.
type fileCache[T any] struct {
	paths []string
	read  func() (T, error)
	warn  func(error) // called once for each change that can't be read; may be nil

	value atomic.Pointer[T]

	mu      sync.Mutex // only ever tried, so that no request waits for the disk
	checked time.Time
	infos   []os.FileInfo // of the paths when they were checked; nil for a missing file
}

// open reads the value for the first time.
func (c *fileCache[T]) open() error {
	c.checked, c.infos = time.Now(), c.stat()
	v, err := c.read()
	c.value.Store(&v)
	return err
}

// get returns the value that the files held at most checkTime ago.
func (c *fileCache[T]) get() T {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		if time.Since(c.checked) >= checkTime {
			c.refresh()
		}
	}
	return *c.value.Load()
}

// refresh reads the value again if a file has changed. mu must be held.
func (c *fileCache[T]) refresh() {
	// Before reading: if a file changes while it is read, the next refresh notices.
	infos := c.stat()
	changed := false
	for i := range infos {
		changed = changed || !sameFile(c.infos[i], infos[i])
	}
	c.checked, c.infos = time.Now(), infos
	if !changed {
		return
	}
	if v, err := c.read(); err == nil {
		c.value.Store(&v)
	} else if c.warn != nil {
		c.warn(err)
	}
}

// stat returns what is known about the files without reading them.
func (c *fileCache[T]) stat() []os.FileInfo {
	infos := make([]os.FileInfo, len(c.paths))
	for i, path := range c.paths {
		infos[i], _ = os.Stat(path)
	}
	return infos
}

// sameFile reports whether a file has not changed between two calls of stat.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}
