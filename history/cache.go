package history

import "sync"

// cachedBlocks is how many blocks the readers of all logs share. Viewers that have fallen out of the ring
// in a flood are near each other.
const cachedBlocks = 8

// A cache has the output of the blocks that were read last. Its methods may be called concurrently.
type cache struct {
	mu     sync.Mutex
	blocks [cachedBlocks]cachedBlock
	oldest int
}

// A cachedBlock is the output of a block, which must not be modified.
type cachedBlock struct {
	log    *Log
	offset int64
	output []byte
}

// get returns the output of the block of l that begins at offset, or nil.
func (c *cache) get(l *Log, offset int64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.blocks {
		if b.log == l && b.offset == offset {
			return b.output
		}
	}
	return nil
}

// put adds the output of a block.
func (c *cache) put(l *Log, offset int64, output []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks[c.oldest] = cachedBlock{l, offset, output}
	c.oldest = (c.oldest + 1) % cachedBlocks
}

// forget drops the blocks of l, or of all logs if l is nil.
func (c *cache) forget(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.blocks {
		if b.log == l || l == nil {
			c.blocks[i] = cachedBlock{}
		}
	}
}
