package logs

import (
	"io"
	"os"
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

// of returns the index of the file at a path, which may be that of another file that was there.
func (x *indexes) of(path string) *index {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := 0
	for at < len(x.recent) && x.recent[at].path != path {
		at++
	}
	found := pathIndex{path, &index{}}
	switch {
	case at < len(x.recent):
		found = x.recent[at]
	case at < maxIndexes:
		x.recent = append(x.recent, found)
	default:
		at--
	}
	copy(x.recent[1:at+1], x.recent[:at])
	x.recent[0] = found
	return found.index
}

// lookUp is [index.place] for the file at a path.
func (x *indexes) lookUp(path string, r io.ReaderAt, info os.FileInfo, line int64, pace Pace) (at Place, err error) {
	index := x.of(path)
	err = pace.call(func() error {
		index.mu.Lock() // another request may be reading the file
		return nil
	})
	defer index.mu.Unlock()
	if err != nil {
		return at, err
	}
	if !index.fits(r, info, info.Size()) {
		index.begin(info)
	}
	return index.place(r, info.Size(), line)
}
