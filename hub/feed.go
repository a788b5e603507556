package hub

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

// A Feed is a source with those who watch it.
type Feed struct {
	Source
	audience *audience
	crowd    *crowd
	deflater deflater
	framer   framer
	Late     *late
	LF       bool        // its lines end in \n, where a terminal's end in \r\n
	Exact    atomic.Bool // its lines' numbers are those of the whole
}

func NewFeed(s Source) *Feed {
	f := &Feed{Source: s, audience: newAudience(), Late: newLate(s.Stream), deflater: deflater{stream: s.Stream}}
	f.crowd = newCrowd(f)
	f.Exact.Store(true)
	return f
}

// Viewers returns how many viewers there are now.
func (f *Feed) Viewers() int {
	n, _ := f.audience.count()
	return n
}

// Abandoned returns how many full-screen programs could not be followed.
func (f *Feed) Abandoned() int64 { return f.Late.failed.Load() }

// before returns the output before an offset, of so many bytes; nil if that can't be
// read any more.
func (f *Feed) before(offset int64, size int) []byte {
	parts, _, _ := f.Stream.Range(max(offset-int64(size), 0), offset)
	return bytes.Join(parts, nil)
}

// Close ends what newFeed started, and waits for it. The viewers should have left.
func (f *Feed) Close() {
	f.audience.close()
	f.crowd.close()
	f.Late.close()
}
