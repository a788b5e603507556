package history

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// A sealer encrypts and decrypts what is on disk, with a key that exists only in memory.
type sealer struct{ block cipher.Block }

// newSealer returns a sealer with a new key.
func newSealer() sealer {
	var key [16]byte
	rand.Read(key[:]) // never returns an error (crypto/rand)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a valid size
	}
	return sealer{block}
}

// apply encrypts or decrypts p, which is at the given position in a slot of the given generation (AES-CTR,
// NIST SP 800-38A). The generation is the counter's upper half, and the position the lower one: a part of
// the key stream is used once, because no generation is, and within it no position is written twice.
func (s sealer) apply(p []byte, generation uint64, at int64) {
	var counter, skipped [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[:8], generation)
	binary.BigEndian.PutUint64(counter[8:], uint64(at/aes.BlockSize))
	stream := cipher.NewCTR(s.block, counter[:])
	n := at % aes.BlockSize
	stream.XORKeyStream(skipped[:n], skipped[:n])
	stream.XORKeyStream(p, p)
}
