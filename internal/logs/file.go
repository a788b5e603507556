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

// maxKept is how much of the end is kept of what can only be read from its start: a
// compressed file, or the lines that a filter lets through; in bytes.
const maxKept = 32 << 20

// A File is opened for one request. Its methods may not be called concurrently.
type File struct {
	logs  *Logs
	path  string
	f     *os.File
	taken bool // a follower has taken f over
}

// Path returns the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Compressed reports whether the file can only be read, not followed.
func (f *File) Compressed() bool { return filetail.Compressed(f.path) }

// Close gives the file back. Content that was returned stays readable.
func (f *File) Close() {
	if !f.taken {
		f.f.Close()
	}
}

// Follow returns the hub of the viewers of those of the file's lines that a filter lets
// through, once the last lines are there. The caller must call leave. The error is
// [ErrArchive], [ErrFull] or, after [Logs.End], [ErrNotFound].
func (f *File) Follow(ctx context.Context, filter Filter) (h *hub.Hub, leave func(), err error) {
	if f.Compressed() {
		return nil, nil, ErrArchive
	}
	f.taken = true
	one, err := f.logs.join(view{f.path, filter.expr, filter.invert}, filter, f.f)
	if err != nil {
		return nil, nil, err
	}
	wait := time.NewTimer(loadTime)
	defer wait.Stop()
	select {
	case <-one.intake.loaded:
	case <-wait.C:
	case <-ctx.Done():
	}
	return one.hub, func() { f.logs.leave(one) }, nil
}

// Bytes returns the file as it is, and when it was modified last.
func (f *File) Bytes() (io.ReadSeeker, time.Time, error) {
	info, err := f.f.Stat()
	if err != nil {
		return nil, time.Time{}, ErrNotFound
	}
	return f.f, info.ModTime(), nil
}

// Content is the end of a file, decompressed and filtered.
type Content struct {
	r      io.Reader
	filter Filter // what is left of it to be applied
	exact  bool
	close  func()
}

// Content returns the file's last lines that filter lets through, all if lines is negative.
// Reading it ends early, with an error, when ctx or the server ends. The caller must call
// Content.Close before File.Close.
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
	// Which lines are the last ones is known at the end.
	b := broadcaster.New(broadcaster.Options{Lines: max(lines, 1), Bytes: maxKept})
	if err := c.Copy(b); err != nil {
		c.Close()
		return nil, err
	}
	c.r, c.filter = reader(b, lines, nil), Filter{}
	return c, nil
}

// last returns the last lines as they are stored, all if lines is negative.
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

// reader returns a reader of the last lines written to b, which it closes; it ends with err.
func reader(b *broadcaster.Broadcaster, lines int, err error) io.Reader {
	b.Close()
	cursor, _ := b.Open(lines)
	return &broadcaster.Reader{Cursor: cursor, Err: err}
}

// Exact reports whether lines counted from one have the numbers that they have in the file.
func (c *Content) Exact() bool { return c.exact }

// Copy copies the content to w. It must be called once.
func (c *Content) Copy(w io.Writer) error { return c.filter.copy(w, c.r) }

// Close ends the use of the content.
func (c *Content) Close() { c.close() }

// An interruptible is read until the client has disconnected or the server is shut down.
type interruptible struct {
	io.Reader
	client, server <-chan struct{}
}

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
