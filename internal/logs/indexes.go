package logs

import (
	"io"
	"os"
	"slices"
	"sync"
)

// maxIndexes is how many files have an index: those that were asked for last.
const maxIndexes = 16

// indexes has the indexes of the files that were asked for last.
type indexes struct {
	mu     sync.Mutex
	recent []pathIndex // the latest is first
}

type pathIndex struct {
	path  string
	index *index
}

// of returns the index of the file that is at a path now: the one that it had before, if that fits. The error is of reading
// the file.
func (x *indexes) of(path string, r io.ReaderAt, info os.FileInfo) (*index, error) {
	found := x.get(path)
	if found != nil {
		fits, err := found.fits(r, info)
		if err != nil {
			return nil, err
		}
		if !fits {
			found = nil
		}
	}
	if found == nil {
		found = newIndex(info)
	}
	x.put(path, found)
	return found, nil
}

// get returns the index that was put last for a path, if it is still there.
func (x *indexes) get(path string) *index {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.recent {
		if p.path == path {
			return p.index
		}
	}
	return nil
}

// drop forgets the index of a path, whose file has other content now.
func (x *indexes) drop(path string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.recent = slices.DeleteFunc(x.recent, func(p pathIndex) bool { return p.path == path })
}

// put makes an index that of a path.
func (x *indexes) put(path string, index *index) {
	x.drop(path)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.recent = slices.Insert(x.recent, 0, pathIndex{path, index})
	x.recent = x.recent[:min(len(x.recent), maxIndexes)]
}
