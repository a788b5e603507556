package filetail

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// DefaultPoll is how often a file is looked at without being told: network file
	// systems and FUSE tell nothing.
	DefaultPoll = time.Second
	// DefaultLinger is how long a file that was renamed or deleted is read on: its
	// writers have it open until they are told, or notice.
	DefaultLinger = 5 * time.Second

	// breath is the least time between two reads at a file's end: a writer of single
	// lines would otherwise cost a system call, and a write to w, for each.
	breath = 5 * time.Millisecond
	// maxQueue is how many files may wait, open, for the one before them to be left;
	// with more it is left early.
	maxQueue = 8
	// maxPast is how many files left are remembered.
	maxPast = 16
)

// FollowOptions says what [Follow] follows. Open is needed.
type FollowOptions struct {
	// Open opens what the name stands for, now: [Root.Open] with a path, say. It is
	// called at each look at the name, and must not wait. What it returns must be a
	// regular file; Follow closes it.
	Open func() (*os.File, error)
	// Path is the name, in the system's form. It is what is watched, and tells why
	// Open fails; nothing is opened by it. It may be empty.
	Path string
	// Watcher says when to look. If nil, only polling does.
	Watcher *Watcher

	Lines int   // last ones to begin with; 0 is none, negative all
	Bytes int64 // that they may have at the most; 0 is no limit

	Poll   time.Duration // 0 is DefaultPoll; negative is never
	Linger time.Duration // 0 is DefaultLinger

	// Event is called with a [Start], [Truncated], [Rotated], [Gone] or [Back], in
	// order with the writes to w and by the same goroutine. It may be nil.
	Event func(event any)
}

// Start is the event before the first byte: Offset is where that is in the file, and
// Size the file's size then. With Offset 0 line numbers counted from here are
// those of the file.
type Start struct{ Offset, Size int64 }

// Truncated is an event: of the file's content Offset bytes had been read, and then
// it was another. What follows begins at the file's start. At least Lost bytes more
// had been seen to be there, and were gone before they could be read; what was
// written and truncated between two looks nobody can tell.
type Truncated struct{ Offset, Lost int64 }

// Rotated is an event: what follows is from another file, from Offset on. That is 0
// unless the name stood for that file before.
type Rotated struct{ Offset int64 }

// Gone is an event: the name stands for nothing that can be read. The file is read
// on for a while. A Gone may follow another, with another reason.
type Gone struct{ Reason Reason }

// Back is an event after Gone: the name stands for a file again. If it is not the
// one before, Rotated follows when that is read.
type Back struct{}

// A Reason says why a file is [Gone], in words for its readers.
type Reason string

const (
	Removed    Reason = "removed"            // or not there yet
	Unreadable Reason = "unreadable"         // it is there, or a link is, but opening or reading it fails
	NotRegular Reason = "not a regular file" // a directory, a FIFO, …
)

// Follow writes the last lines of a file to w, then what is appended to it, as it
// comes: each byte once and in order, whole lines or not. It ends only with ctx, or
// with an error of w, and returns that error. It starts no goroutine.
//
// The name is looked at when the system tells of a change and at each poll. When it
// stands for another file, the one before is read for Linger more, from when its
// name was lost, and to its end; then the other is read from its start. Rotations
// within that time queue up. A file that had the name only between two looks is never
// seen. When the name stands for nothing, the file before is read for Linger, and its
// rest when there is another; but a deleted one is closed after Linger, since it
// takes up space.
//
// A file that does not exist at first is waited for, and read from its start.
//
// A truncation is seen by the size, or by the last 256 bytes read not being there
// any more. So a file that was truncated and filled with the very bytes it had goes
// on where it was.
func Follow(ctx context.Context, w io.Writer, o FollowOptions) error {
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.Linger == 0 {
		o.Linger = DefaultLinger
	}
	if o.Path != "" {
		if abs, err := filepath.Abs(o.Path); err == nil {
			o.Path = abs
		}
	}
	f := &follower{o: o, w: w, sub: o.Watcher.subscribe(), buf: make([]byte, blockSize)}
	defer f.close()
	return f.run(ctx)
}
