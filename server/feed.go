package server

import (
	"bytes"
	"sync/atomic"
	"time"

	"wsrun/broadcaster"
)

// A Source is a stream and what viewers are told of it.
type Source struct {
	Stream  *broadcaster.Broadcaster
	Title   string
	Command []string // nil when it is no command's output
	Started time.Time
}

// A feed is a source with those who watch it.
type feed struct {
	Source
	audience *audience
	crowd    *crowd
	deflater deflater
	framer   framer
	late     *late
	lf       bool        // its lines end in \n, where a terminal's end in \r\n
	exact    atomic.Bool // its lines' numbers are those of the whole
}

func newFeed(s Source) *feed {
	f := &feed{Source: s, audience: newAudience(), late: newLate(s.Stream), deflater: deflater{stream: s.Stream}}
	f.crowd = newCrowd(f)
	f.exact.Store(true)
	return f
}

// before returns the output before an offset, of so many bytes; nil if that can't be
// read any more.
func (f *feed) before(offset int64, size int) []byte {
	parts, _, _ := f.Stream.Range(max(offset-int64(size), 0), offset)
	return bytes.Join(parts, nil)
}

// close ends what newFeed started, and waits for it. The viewers should have left.
func (f *feed) close() {
	f.audience.close()
	f.crowd.close()
	f.late.close()
}
