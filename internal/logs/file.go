package logs

import (
	"context"
	"io"
	"os"
	"time"

	"wsrun/filetail"
	"wsrun/hub"
)

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

// Follow returns the hub for viewers of the lines that a filter passes. It first waits until the hub knows where its stream
// begins, and holds the file's last lines and their numbers unless that takes long, but no longer than ctx. Unless it
// returns an error, the caller must call leave when it is done with the hub. The error is
// [ErrArchive], [ErrFull], that of [Logs.Open] or, after [Logs.End], [ErrNotFound]. After Follow, only Path, Compressed,
// Close and Follow may be called.
func (f *File) Follow(ctx context.Context, filter Filter) (h *hub.Hub, leave func(), err error) {
	if f.Compressed() {
		return nil, nil, ErrArchive
	}
	if f.taken {
		again, err := f.logs.open(f.path)
		if err != nil {
			return nil, nil, err
		}
		f.f = again
	}
	f.taken = true
	follower, err := f.logs.join(view{f.path, filter.expr, filter.invert}, filter, f.f)
	if err != nil {
		return nil, nil, err
	}
	follower.wait(ctx)
	return follower.hub, func() { f.logs.leave(follower) }, nil
}

// Bytes returns the file's exact bytes, which can be read at the given pace until Close, and the
// time of its last modification. The error is [ErrNotFound].
func (f *File) Bytes(pace Pace) (io.ReadSeeker, time.Time, error) {
	info, err := f.stat(pace)
	if err != nil {
		return nil, time.Time{}, ErrNotFound
	}
	return io.NewSectionReader(f.paced(pace), 0, info.Size()), info.ModTime(), nil
}

// stat describes the file. Like a read, that may take long.
func (f *File) stat(pace Pace) (info os.FileInfo, err error) {
	err = pace.call(func() (err error) {
		info, err = f.f.Stat()
		return err
	})
	return info, err
}

// Content returns the last lines that filter passes, or all of them if lines is negative. The file
// is read at the given pace, in part before Content returns; once [Logs.End] was called, reading
// fails. The caller must call [Content.Close] before [File.Close]. An error says why the file can't
// be read.
func (f *File) Content(lines int, filter Filter, pace Pace) (*Content, error) {
	info, err := f.stat(pace)
	if err != nil {
		return nil, err
	}
	file, size := f.paced(pace), info.Size()
	if lines >= 0 && filter.All() && !f.Compressed() {
		offset, err := filetail.Tail(file, size, lines, 0)
		if err != nil {
			return nil, err
		}
		return &Content{r: io.NopCloser(io.NewSectionReader(file, offset, size-offset))}, nil
	}
	open := func() (io.ReadCloser, error) {
		r := io.NewSectionReader(file, 0, size)
		if f.Compressed() {
			return filetail.Decompress(f.path, r)
		}
		return io.NopCloser(r), nil
	}
	if lines >= 0 {
		return lastLines(open, lines, filter)
	}
	r, err := open()
	if err != nil {
		return nil, err
	}
	return &Content{r: r, filter: filter, exact: filter.All()}, nil
}

// From returns what begins at a line if that is a [Place], and otherwise not far before it; a compressed file is read
// from its start. In other respects, it is like Content without a filter.
func (f *File) From(line int64, pace Pace) (*Content, Place, error) {
	if f.Compressed() {
		c, err := f.Content(-1, Filter{}, pace)
		return c, Place{Line: 1}, err
	}
	info, err := f.stat(pace)
	if err != nil {
		return nil, Place{}, err
	}
	file := f.paced(pace)
	index, err := f.logs.indexes.of(f.path, file, info)
	if err != nil {
		return nil, Place{}, err
	}
	size := info.Size()
	at, err := index.place(file, size, line)
	begin := scan{offset: at.Offset, state: at.State}
	if err == nil && at.Line < line {
		begin, err = index.begin(file, size, line)
	}
	if err != nil {
		return nil, Place{}, err
	}
	return &Content{r: io.NopCloser(io.NewSectionReader(file, at.Offset, size-at.Offset)), begin: begin}, at, nil
}

// Held returns about how many bytes of memory reading the file's content takes.
func (f *File) Held() int64 {
	if f.Compressed() {
		return filetail.DecompressBytes(f.path)
	}
	return 0
}
