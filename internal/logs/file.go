package logs

import (
	"context"
	"io"
	"os"
	"time"

	"wsrun/broadcaster"
	"wsrun/filetail"
	"wsrun/hub"
)

// maxKept limits, in bytes, the last lines of content that can only be read from its start: a
// compressed file, or the lines that a filter passes. They must be kept in memory until the
// end is known.
const maxKept = 32 << 20

// A File is a log file, opened for one request. Its methods must not be called concurrently.
type File struct {
	logs  *Logs
	path  string
	f     *os.File
	taken bool // a follower now owns f
}

// Path returns the path with which the file was opened.
func (f *File) Path() string { return f.path }

// Compressed reports whether the file is compressed, and so can be read but not followed.
func (f *File) Compressed() bool { return filetail.Compressed(f.path) }

// Close releases the file. A hub that Follow returned stays usable.
func (f *File) Close() {
	if !f.taken {
		f.f.Close()
	}
}

// Follow returns the hub for viewers of the lines that a filter passes. It first waits until
// the hub holds the file's last lines, but at most loadTime, and no longer than ctx. Unless it
// returns an error, the caller must call leave when it is done with the hub. The error is
// [ErrArchive], [ErrFull] or, after [Logs.End], [ErrNotFound]. After Follow, only Path,
// Compressed and Close may be called.
func (f *File) Follow(ctx context.Context, filter Filter) (h *hub.Hub, leave func(), err error) {
	if f.Compressed() {
		return nil, nil, ErrArchive
	}
	f.taken = true
	follower, err := f.logs.join(view{f.path, filter.expr, filter.invert}, filter, f.f)
	if err != nil {
		return nil, nil, err
	}
	wait := time.NewTimer(loadTime)
	defer wait.Stop()
	select {
	case <-follower.intake.loaded:
	case <-wait.C:
	case <-ctx.Done():
	}
	return follower.hub, func() { f.logs.leave(follower) }, nil
}

// Bytes returns the file's exact bytes, which can be read until Close, and the time of its
// last modification. The error is [ErrNotFound].
func (f *File) Bytes() (io.ReadSeeker, time.Time, error) {
	info, err := f.f.Stat()
	if err != nil {
		return nil, time.Time{}, ErrNotFound
	}
	return f.f, info.ModTime(), nil
}

// Content is the last lines of a file, decompressed and filtered. Its methods must not be
// called concurrently.
type Content struct {
	r      io.Reader
	filter Filter // still to be applied to r
	exact  bool
	close  func()
}

// Content returns the last lines that filter passes, or all of them if lines is negative. Once
// ctx is done or [Logs.End] was called, reading the content fails. The caller must call
// [Content.Close] before [File.Close]. An error says why the file can't be read.
func (f *File) Content(ctx context.Context, lines int, filter Filter) (*Content, error) {
	last := lines
	if !filter.All() {
		last = -1
	}
	c, err := f.last(last)
	if err != nil {
		return nil, err
	}
	c.r = interruptible{c.r, ctx.Done(), f.logs.stopping}
	c.filter, c.exact = filter, lines < 0 && filter.All()
	if filter.All() || lines < 0 {
		return c, nil
	}
	// Only the end of the file shows which of the filtered lines are the last ones.
	b := broadcaster.New(broadcaster.Options{Lines: max(lines, 1), Bytes: maxKept})
	if err := c.Copy(b); err != nil {
		c.Close()
		return nil, err
	}
	c.r, c.filter = reader(b, lines, nil), Filter{}
	return c, nil
}

// last returns the last lines without a filter, or all of them if lines is negative.
func (f *File) last(lines int) (*Content, error) {
	if f.Compressed() {
		r, err := filetail.Decompress(f.path, f.f)
		if err != nil {
			return nil, err
		}
		c := &Content{r: r, close: func() { r.Close() }}
		if lines >= 0 {
			b := broadcaster.New(broadcaster.Options{Lines: max(lines, 1), Bytes: maxKept})
			_, err := io.Copy(b, r)
			c.r = reader(b, lines, err)
		}
		return c, nil
	}
	info, err := f.f.Stat()
	if err != nil {
		return nil, err
	}
	offset, err := filetail.Tail(f.f, lines, 0)
	if err != nil {
		return nil, err
	}
	return &Content{r: io.NewSectionReader(f.f, offset, info.Size()-offset), close: func() {}}, nil
}

// reader closes b and returns a reader of the last lines written to it. The reader ends with
// err.
func reader(b *broadcaster.Broadcaster, lines int, err error) io.Reader {
	b.Close()
	cursor, _ := b.Open(lines)
	return &broadcaster.Reader{Cursor: cursor, Err: err}
}

// Exact reports whether the content starts at the file's first line and lacks none, so that
// counting its lines gives their numbers in the file.
func (c *Content) Exact() bool { return c.exact }

// Copy copies the content to w. It must be called only once. The error is of the file, of w,
// or [context.Canceled].
func (c *Content) Copy(w io.Writer) error { return c.filter.copy(w, c.r) }

// Close releases the content.
func (c *Content) Close() { c.close() }

// An interruptible reader fails once the client has disconnected or the server is being shut
// down.
type interruptible struct {
	io.Reader
	client, server <-chan struct{}
}

// Read implements [io.Reader].
func (i interruptible) Read(p []byte) (int, error) {
	select {
	case <-i.client:
		return 0, context.Canceled
	case <-i.server:
		return 0, context.Canceled
	default:
		return i.Reader.Read(p)
	}
}
