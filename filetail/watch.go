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

// A Watcher receives the system's notifications about changed files for any number of
// [Follow]s. A process should have only one: each Watcher is an inotify instance, and Linux
// allows a user 128 of these. Its methods may be called concurrently.
//
// A Watcher watches directories, because a file that is replaced takes its watch along.
// What can't be watched is still polled by Follow.
type Watcher struct {
	fs       *fsnotify.Watcher
	done     chan struct{} // closed when the goroutine that NewWatcher starts has ended
	panicked func(v any)   // see NewWatcher; may be nil

	changes sync.Mutex             // serializes changes to fs; locked before mu
	dirs    map[string]*watchedDir // guarded by changes

	mu   sync.Mutex
	subs map[string][]*subscription // by file
}

// A watchedDir is a directory with files that are followed.
type watchedDir struct {
	files int         // how many subscriptions of files in it there are
	info  fs.FileInfo // of the directory that is watched; nil if none is
}

// A subscription receives signals that something happened to some files. Each channel holds
// one signal, which stands for any number of changes.
type subscription struct {
	w     *Watcher
	files []string      // sorted; guarded by w.changes
	grown chan struct{} // the content may have changed
	named chan struct{} // the name may refer to another file, or for none
}

// NewWatcher returns a Watcher and starts its goroutine, which passes signals on. The
// caller must call Close, which ends the goroutine.
//
// If the goroutine panics, it calls panicked, which may be nil, with the panic's value while
// the stack is still that of the panic. There are no signals afterwards, as after Close.
func NewWatcher(panicked func(v any)) (*Watcher, error) {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	w := &Watcher{
		fs: fsw, done: make(chan struct{}), panicked: panicked, dirs: map[string]*watchedDir{}, subs: map[string][]*subscription{},
	}
	go w.run()
	return w, nil
}

// Close ends all signals; every Follow that uses the Watcher continues by polling. Close
// waits for the Watcher's goroutine. It may be called more than once.
func (w *Watcher) Close() error {
	err := w.fs.Close()
	<-w.done
	return err
}

// degrade ends the signals after a panic of the goroutine: polling finds everything as well.
func (w *Watcher) degrade() {
	v := recover()
	if v == nil {
		return
	}
	if w.panicked != nil {
		w.panicked(v)
	}
	w.fs.Close()
}

// run passes signals on until the Watcher is closed.
func (w *Watcher) run() {
	defer close(w.done)
	defer w.degrade()
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

// signal signals every subscription to a file.
func (w *Watcher) signal(file string, named bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.subs[file] {
		s.signal(named)
	}
}

// signalAll signals every subscription.
func (w *Watcher) signalAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, subs := range w.subs {
		for _, s := range subs {
			s.signal(true)
		}
	}
}

// signal puts a signal into one of the channels, unless one is already waiting.
func (s *subscription) signal(named bool) {
	c := s.grown
	if named {
		c = s.named
	}
	select {
	case c <- struct{}{}:
	default: // a signal is already waiting
	}
}

// subscribe returns a subscription to no files yet. Its owner must close it. A subscription
// of a nil Watcher never signals.
func (w *Watcher) subscribe() *subscription {
	return &subscription{w: w, grown: make(chan struct{}, 1), named: make(chan struct{}, 1)}
}

// close ends the subscription.
func (s *subscription) close() { s.set() }

// set sets the files to signal about, as absolute paths. It also checks that the watched
// directories still have their names.
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

// add adds a subscription's file, and watches its directory as soon as renew is called.
// changes must be held.
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

// remove undoes add. changes must be held.
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

// renew watches a directory unless it is watched already and still has its name. An error
// is not final, because the next poll tries again. changes must be held.
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
		// There were no notifications before the directory was watched.
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
