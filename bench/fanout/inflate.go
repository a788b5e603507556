//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// window is how far deflate looks back, in bytes (RFC 1951).
const window = 32 << 10

// tail is what permessage-deflate leaves out of a message's end (RFC 7692, section
// 7.2.2), and an empty last block, so that the reader sees an end.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// An inflater takes a viewer's compressed messages, all and in order.
type inflater struct {
	takeover bool // a message may refer to those before it

	reader io.ReadCloser
	before []byte // the end of the messages so far
}

// inflate returns a message, which is good until the next call.
func (i *inflater) inflate(message []byte) ([]byte, error) {
	packed := io.MultiReader(bytes.NewReader(message), bytes.NewReader([]byte(tail)))
	if i.reader == nil {
		i.reader = flate.NewReader(packed)
	} else if err := i.reader.(flate.Resetter).Reset(packed, i.before); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(i.reader)
	if err != nil {
		return nil, fmt.Errorf("inflate a message: %w", err)
	}
	if i.takeover {
		i.before = append(i.before, out...)
		i.before = i.before[:copy(i.before, i.before[max(0, len(i.before)-window):])]
	}
	return out, nil
}
