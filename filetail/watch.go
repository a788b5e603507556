package filetail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// A Watcher hears from the system when files change, for any number of [Follow]s.
// One is enough for a process, and should be all: Linux gives a user 128 inotify
// instances, and each Watcher is one.
//
// It watches the directories, since a file that is replaced takes its watch with
// it. What can't be watched is polled by Follow anyway.
type Watcher struct {
	fs   *fsnotify.Watcher
	done chan struct{} // closed at the end of the goroutine that NewWatcher starts

	changes sync.Mutex             // serializes what is done to fs; held before mu
	dirs    map[string]*watchedDir // guarded by changes

	mu   sync.Mutex
	subs map[string][]*subscription // by file
}

// A watchedDir is a directory with files that somebody follows.
type watchedDir struct {
	files int
	info  fs.FileInfo // of what is watched; nil if nothing is
}

// A subscription tells that something happened to some files. Both channels hold
// one signal, which stands for any number.
type subscription struct {
	w     *Watcher
	files []string      // sorted; guarded by w.changes
	grown chan struct{} // content may have changed
	named chan struct{} // the name may stand for another file, or for none
}

// NewWatcher starts a goroutine that passes signals on. The caller must call Close,
// which ends it.
func NewWatcher() (*Watcher, error) {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	w := &Watcher{fs: fsw, done: make(chan struct{}), dirs: map[string]*watchedDir{}, subs: map[string][]*subscription{}}
	go w.run()
	return w, nil
}

// Close ends all signals; those who follow by it go on by polling. It waits for the
// Watcher's goroutine, and may be called more than once.
func (w *Watcher) Close() error {
	err := w.fs.Close()
	<-w.done
	return err
}

func (w *Watcher) run() {
	defer close(w.done)
	for {
		select {
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			w.signal(e.Name, e.Op != fsnotify.Write)
		case _, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			w.signalAll() // events were lost
		}
	}
}

func (w *Watcher) signal(file string, named bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.subs[file] {
		s.signal(named)
	}
}

func (w *Watcher) signalAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, subs := range w.subs {
		for _, s := range subs {
			s.signal(true)
		}
	}
}

func (s *subscription) signal(named bool) {
	c := s.grown
	if named {
		c = s.named
	}
	select {
	case c <- struct{}{}:
	default: // one waits already
	}
}

// subscribe returns a subscription to no file yet. Its owner must close it. On a
// nil Watcher it never tells anything.
func (w *Watcher) subscribe() *subscription {
	return &subscription{w: w, grown: make(chan struct{}, 1), named: make(chan struct{}, 1)}
}

func (s *subscription) close() { s.set() }

// set says which files to tell of, as absolute paths, from now on. It also finds
// out whether their directories are still those that are watched.
func (s *subscription) set(files ...string) {
	if s.w == nil {
		return
	}
	slices.Sort(files)
	files = slices.Compact(files)
	s.w.changes.Lock()
	defer s.w.changes.Unlock()
	if !slices.Equal(files, s.files) {
		for _, file := range files {
			s.w.add(file, s)
		}
		for _, file := range s.files {
			s.w.remove(file, s)
		}
		s.files = files
	}
	for _, file := range files {
		s.w.renew(filepath.Dir(file))
	}
}

// add and remove count a subscription's file. changes must be held.
func (w *Watcher) add(file string, s *subscription) {
	dir := filepath.Dir(file)
	if w.dirs[dir] == nil {
		w.dirs[dir] = new(watchedDir)
	}
	w.dirs[dir].files++
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs[file] = append(w.subs[file], s)
}

func (w *Watcher) remove(file string, s *subscription) {
	dir := filepath.Dir(file)
	if d := w.dirs[dir]; d.files > 1 {
		d.files--
	} else {
		w.fs.Remove(dir)
		delete(w.dirs, dir)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	subs := w.subs[file]
	i := slices.Index(subs, s)
	if subs = slices.Delete(subs, i, i+1); len(subs) > 0 {
		w.subs[file] = subs
	} else {
		delete(w.subs, file)
	}
}

// renew watches a directory if what has its name is not watched yet. An error is
// not the end: the next poll tries again. changes must be held.
func (w *Watcher) renew(dir string) {
	d := w.dirs[dir]
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		d.info = nil
		return
	case d.info != nil && os.SameFile(d.info, info):
		return
	case d.info != nil:
		w.fs.Remove(dir)
	}
	d.info = nil
	if w.fs.Add(dir) == nil {
		d.info = info
		// What happened before it was watched nobody has told.
		w.mu.Lock()
		defer w.mu.Unlock()
		for file, subs := range w.subs {
			if filepath.Dir(file) == dir {
				for _, s := range subs {
					s.signal(true)
				}
			}
		}
	}
}
