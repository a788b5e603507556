package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"wsrun/filetail"
	"wsrun/internal/logs"
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
	s, err := newService(o, serviceOptions{spareFiles: spareFiles + spareFollowed, stdinFree: true})
	if err != nil {
		root.Close()
		return 0, err
	}
	watcher, err := filetail.NewWatcher(s.panics.Reporter("watch files"))
	if err != nil {
		say("watch files: %v; looking every %v instead", err, filetail.DefaultPoll)
	}
	s.release = func() {
		if watcher != nil {
			watcher.Close()
		}
		root.Close()
	}
	s.open(server.Files(logs.New(logs.Options{
		Root: root, Watcher: watcher, List: list, Lines: int(o.lines), Bytes: int(o.buffer), Panics: s.panics,
	})))
	defer s.shutdown()
	s.accept()
	s.announce()
	s.wait(nil)
	return 0, nil
}
