package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"wsrun/broadcaster"
	"wsrun/filetail"
	"wsrun/hub"
	"wsrun/server"
)

// newFilesCommand returns the command wsrun files, which sets code when it runs.
func newFilesCommand(version string, code *int) *cobra.Command {
	o := options{version: version}
	files := &cobra.Command{
		Use:   "files [flags] PATH...",
		Short: "View and follow log files by URL",
		Long: `View and follow files, and files below directories, in a browser or by any
WebSocket or HTTP client. A file's URL is its path; nothing else can be read.`,
		Example: `  wsrun files /var/log                                 list and follow logs in the browser
  wsrun files --include '*.log' ~/build                only some of them
  curl -sN 'http://127.0.0.1:8765/var/log/syslog?tail=1'   follow one`,
		RunE: func(_ *cobra.Command, paths []string) (err error) {
			*code, err = serveFiles(o, paths)
			return err
		},
	}
	o.defineFiles(files.Flags())
	return files
}

// serveFiles serves the files at and below paths until a request to end, and returns the
// exit status. The order in which everything ends is written above [service.shutdown].
func serveFiles(o options, paths []string) (int, error) {
	if len(paths) == 0 {
		return 0, fail(errors.New("no path given"), "see wsrun files --help")
	}
	list := filetail.ListOptions{Hidden: o.hidden, Include: o.include, Exclude: o.exclude}
	if err := list.Check(); err != nil {
		return 0, fail(err, "")
	}
	root, err := filetail.NewRoot(paths...)
	if err != nil {
		return 0, fail(err, "")
	}
	defer root.Close()
	watcher, err := filetail.NewWatcher()
	if err != nil {
		say("watch files: %v; looking every %v instead", err, filetail.DefaultPoll)
	} else {
		defer watcher.Close()
	}
	s, err := newService(o, serviceOptions{spareFiles: spareFiles + spareFollowed, stdinFree: true})
	if err != nil {
		return 0, err
	}
	s.open(server.Options{Files: &server.FileOptions{
		Files: files{root, watcher, list}, Lines: int(o.lines), Bytes: int(o.buffer),
	}})
	defer s.shutdown()
	s.accept()
	s.announce()
	s.wait(nil)
	return 0, nil
}

// files are those of a Root, as the server wants them.
type files struct {
	*filetail.Root
	watcher *filetail.Watcher
	list    filetail.ListOptions
}

// Open implements [server.Files]. What is not listed can't be read either.
func (s files) Open(path string) (*os.File, error) {
	if !s.Shows(path, s.list) {
		return nil, filetail.ErrNotFound
	}
	f, err := s.Root.Open(path)
	if errors.Is(err, filetail.ErrBusy) {
		return nil, server.ErrBusy
	}
	return f, err
}

// Compressed implements [server.Files].
func (files) Compressed(path string) bool { return filetail.Compressed(path) }

// Content implements [server.Files].
func (s files) Content(path string, lines int) (io.ReadCloser, error) {
	f, err := s.Open(path)
	if errors.Is(err, server.ErrBusy) {
		return nil, err
	}
	if err != nil {
		return nil, server.ErrNoFile
	}
	if filetail.Compressed(path) {
		content, err := filetail.Decompress(path, f)
		if err != nil {
			f.Close()
			return nil, err
		}
		if lines >= 0 {
			content = lastLines(content, lines)
		}
		return closers{content, f}, nil
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	offset, err := filetail.Tail(f, lines, 0)
	if err != nil {
		f.Close()
		return nil, err
	}
	return closers{io.NopCloser(io.NewSectionReader(f, offset, info.Size()-offset)), f}, nil
}

// lastLines returns the last lines of what can only be read from its start.
func lastLines(r io.ReadCloser, lines int) io.ReadCloser {
	defer r.Close()
	b := broadcaster.New(broadcaster.Options{Lines: max(lines, 1), Bytes: maxUnpacked})
	_, err := io.Copy(b, r)
	b.Close()
	cursor, _ := b.Open(lines)
	return io.NopCloser(&broadcaster.Reader{Cursor: cursor, Err: err})
}

// maxUnpacked is how much of a compressed file's end is kept, in bytes.
const maxUnpacked = 32 << 20

// closers reads the first and closes both.
type closers struct {
	io.ReadCloser
	below io.Closer
}

func (c closers) Close() error { return errors.Join(c.ReadCloser.Close(), c.below.Close()) }

// Follow implements [server.Files].
func (s files) Follow(ctx context.Context, path string, lines int, bytes int64, w io.Writer, event func(any)) error {
	return filetail.Follow(ctx, w, filetail.FollowOptions{
		Open: func() (*os.File, error) { return s.Open(path) },
		Path: filepath.FromSlash(path), Watcher: s.watcher, Lines: lines, Bytes: bytes,
		Event: func(e any) {
			switch e := e.(type) {
			case filetail.Start:
				event(server.FileStart{Left: e.Size - e.Offset, FromStart: e.Offset == 0})
			case filetail.Truncated:
				event(hub.FileEvent{State: "truncated", Lost: e.Lost})
			case filetail.Rotated:
				event(hub.FileEvent{State: "rotated"})
			case filetail.Gone:
				event(hub.FileEvent{State: "gone", Reason: string(e.Reason)})
			case filetail.Back:
				event(hub.FileEvent{State: "back"})
			}
		},
	})
}

// List implements [server.Files].
func (s files) List(ctx context.Context) ([]server.File, bool, error) {
	list, cut, err := s.Root.List(ctx, s.list)
	files := make([]server.File, 0, len(list))
	for _, f := range list {
		files = append(files, server.File{Path: f.Path, Size: f.Size, Modified: f.ModTime})
	}
	return files, cut, err
}
