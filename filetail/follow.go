package filetail

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// DefaultPoll is how often a file is checked without a signal: network file systems and
	// FUSE send no signals.
	DefaultPoll = time.Second
	// DefaultLinger is how long a renamed or deleted file is still read: its writers have
	// the file open until they are told to reopen it, or notice.
	DefaultLinger = 5 * time.Second

	// breath is the least time between two reads at a file's end. Without it, a writer of
	// single lines would cost a system call, and a write to w, for each line.
	breath = 5 * time.Millisecond
	// maxQueue is how many open files may wait until the file before them is left. If there
	// are more, that file is left early.
	maxQueue = 8
	// maxPast is how many of the files left are remembered.
	maxPast = 16
)

// FollowOptions sets what [Follow] follows. Open is required.
type FollowOptions struct {
	// Open opens the file that the name refers to now, for example by calling [Root.Open]
	// with a path. Follow calls Open each time it checks the name. Open must not block, and
	// must return a regular file, which Follow closes.
	Open func() (*os.File, error)
	// Path is the name, in the system's form. Follow watches it and uses it to find out why
	// Open fails, but opens nothing by it. It may be empty.
	Path string
	// Watcher says when to check the name and the file. If it is nil, Follow only polls.
	Watcher *Watcher

	Lines int   // how many last lines to begin with; 0 means none, negative means all
	Bytes int64 // how many bytes these lines may have at most; 0 means no limit

	// Turns limits how many of the Follows that share it use a processor at a time: as many as it can
	// hold elements. A Follow takes a turn to look for the first line, and to write more than a few KiB. It
	// has none while it reads, because the disk may be slow. If Turns is nil, there is no limit.
	Turns chan struct{}

	Poll   time.Duration // 0 means DefaultPoll; negative means never
	Linger time.Duration // 0 means DefaultLinger

	// Event is called with a [Start], [Truncated], [Rotated], [Gone] or [Back], in order
	// with the writes to w and from the same goroutine. It may be nil.
	Event func(event any)
	// Reading is called with the file from which the output is read from then on: before a [Start] or [Rotated], and when
	// the file had to be opened again; and with nil before a file that was deleted is closed. A file stays open until the next
	// call, or until Follow ends. Reading may be nil.
	Reading func(file *os.File)
}

// Start is the event before the first byte, which is at Offset in the file. Size is the
// file's size at that time. If Offset is 0, line numbers counted from here are the file's
// own.
type Start struct{ Offset, Size int64 }

// Truncated is an event: Offset bytes of the file had been read when its content was
// replaced. The output continues at the file's start. At least Lost more bytes had been
// seen in the file and were gone before they could be read. What was written and truncated
// between two checks can't be known.
type Truncated struct{ Offset, Lost int64 }

// Rotated is an event: the output continues in another file, from Offset on. Offset is 0
// unless the name referred to that file before.
type Rotated struct{ Offset int64 }

// Gone is an event: the name refers to no file that can be read. The previous file is
// still read for a while. A Gone may follow another Gone, with another reason.
type Gone struct{ Reason Reason }

// Back is an event after Gone: the name refers to a file again. If that is another file,
// Rotated follows once it is read.
type Back struct{}

// A Reason says why a file is [Gone], in words for viewers.
type Reason string

const (
	Removed    Reason = "removed"            // or not created yet
	Unreadable Reason = "unreadable"         // the file or a link exists, but opening or reading it fails
	NotRegular Reason = "not a regular file" // a directory, a FIFO, …
)

// Follow writes the last lines of a file to w, then whatever is appended to it, as soon as
// it is: each byte once and in order, in whole lines or not. Follow ends only when ctx ends
// or w fails, and returns that error. It starts no goroutine.
//
// Follow checks the name when the Watcher signals a change, and at each poll. If the name
// refers to another file, Follow still reads the previous file for Linger, counted from
// when that file lost its name, and to its end; then it reads the other file from its
// start. Rotations within that time queue up. A file that had the name only between two
// checks is never seen. If the name refers to no file, Follow still reads the previous
// file for Linger, and the rest of it once there is another file; but it closes a deleted
// file after Linger, because the file takes up space.
//
// If the file does not exist at first, Follow waits for it, and reads it from its start.
//
// Follow notices a truncation by the file's size, or because the last 256 bytes read are
// not in the file any more. A file that was truncated and filled with exactly the same
// bytes is therefore read on as if nothing had happened.
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
	f := &follower{o: o, w: w, turn: turn{turns: o.Turns}, sub: o.Watcher.subscribe(), buf: make([]byte, blockSize)}
	defer f.close()
	return f.run(ctx)
}
