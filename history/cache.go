package history

import "sync"

// cachedPieces is how many pieces of blocks the readers of all logs share: 2 MiB. Viewers that have fallen out of the
// ring in a flood are about that near each other.
const cachedPieces = 64

// A cache has the pieces of blocks that were read last. Its methods may be called concurrently.
type cache struct {
	mu     sync.Mutex
	pieces [cachedPieces]cachedPiece
	oldest int
}

// A cachedPiece is output of a block, which must not be modified.
type cachedPiece struct {
	log    *Log
	offset int64
	output []byte
}

// get returns the piece of l that has size bytes from offset on, or nil.
func (c *cache) get(l *Log, offset, size int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.pieces {
		if b.log == l && b.offset == offset && int64(len(b.output)) == size {
			return b.output
		}
	}
	return nil
}

// put adds a piece that begins at offset.
func (c *cache) put(l *Log, offset int64, output []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pieces[c.oldest] = cachedPiece{l, offset, output}
	c.oldest = (c.oldest + 1) % cachedPieces
}

// forget drops the pieces of l, or of all logs if l is nil.
func (c *cache) forget(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.pieces {
		if b.log == l || l == nil {
			c.pieces[i] = cachedPiece{}
		}
	}
}
