package history

import "sync"

// cachedPieces is how many pieces Pieces have: 2 MiB. Viewers that have fallen out of the ring in a flood are about that near
// each other.
const cachedPieces = 64

// Pieces are the pieces of output that were read last, of the streams that have the keys K. The zero value has none. Its
// methods may be called concurrently.
type Pieces[K comparable] struct {
	mu     sync.Mutex
	pieces [cachedPieces]piece[K]
	oldest int
}

// A piece is output, which must not be modified.
type piece[K comparable] struct {
	of     K
	offset int64
	output []byte
}

// Get returns the piece of a stream that has size bytes from offset on, or nil.
func (c *Pieces[K]) Get(of K, offset, size int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.pieces {
		if p := &c.pieces[i]; p.of == of && p.offset == offset && int64(len(p.output)) == size {
			return p.output
		}
	}
	return nil
}

// Put adds a piece that begins at offset.
func (c *Pieces[K]) Put(of K, offset int64, output []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pieces[c.oldest] = piece[K]{of, offset, output}
	c.oldest = (c.oldest + 1) % cachedPieces
}

// Forget drops the pieces of a stream.
func (c *Pieces[K]) Forget(of K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.pieces {
		if c.pieces[i].of == of {
			c.pieces[i] = piece[K]{}
		}
	}
}

// Clear drops all pieces.
func (c *Pieces[K]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.pieces[:])
}
