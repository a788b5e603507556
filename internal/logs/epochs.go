package logs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"
	"slices"
	"sync"

	"wsrun/broadcaster"
)

// maxEpochs is for how many files it is remembered how far they were read.
const maxEpochs = 1024

// epochs names the content of files: the name stays the same while a file only grows. It is made from what identifies the file, so
// that another wsrun finds the same, unless the content was replaced while this one knew the file. Its methods may be
// called concurrently.
type epochs struct {
	mu    sync.Mutex
	known []contentName // the latest is last
}

// A contentName is the epoch of a file's content, which was read up to end, where last comes before.
type contentName struct {
	id    identity
	epoch string
	end   int64
	last  []byte
}

// An identity is what identifies a file, as far as the system says: its device and inode, and when it was created. The zero
// value means that it isn't known.
type identity struct {
	device, inode uint64
	created       int64 // in ns since 1970; 0 if it isn't known
}

// of returns the epoch of a file with an identity. An error of reading what is known of its content counts as other content.
func (e *epochs) of(id identity, f *os.File) string {
	known, ok := e.get(id)
	switch {
	case ok && known.isIn(f):
		return known.epoch
	case ok || id.created == 0:
		known = contentName{id: id, epoch: broadcaster.NewEpoch()}
	default:
		known = contentName{id: id, epoch: id.epoch()}
	}
	e.put(known)
	return known.epoch
}

// renew draws another epoch for a file whose content was replaced.
func (e *epochs) renew(id identity) { e.put(contentName{id: id, epoch: broadcaster.NewEpoch()}) }

// read notes that a file was read up to an offset, where last comes before.
func (e *epochs) read(id identity, end int64, last []byte) {
	if known, ok := e.get(id); ok {
		known.end, known.last = end, last
		e.put(known)
	}
}

// isIn reports whether what was read is still in a file.
func (c *contentName) isIn(f *os.File) bool {
	last := make([]byte, len(c.last))
	n, err := f.ReadAt(last, c.end-int64(len(last)))
	return n == len(last) && (err == nil || err == io.EOF) && bytes.Equal(last, c.last)
}

// epoch returns the epoch of a file that nothing is known of.
func (id identity) epoch() string {
	var b []byte
	for _, n := range []uint64{id.device, id.inode, uint64(id.created)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// get returns what is known of a file.
func (e *epochs) get(id identity) (contentName, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.known, func(c contentName) bool { return c.id == id })
	if i < 0 || id == (identity{}) {
		return contentName{}, false
	}
	return e.known[i], true
}

// put remembers what is known of a file.
func (e *epochs) put(c contentName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known = slices.DeleteFunc(e.known, func(known contentName) bool { return known.id == c.id })
	e.known = append(e.known, c)
	e.known = slices.Delete(e.known, 0, max(len(e.known)-maxEpochs, 0))
}
