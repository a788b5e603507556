package server

import (
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"wsrun/hub"
	"wsrun/internal/logs"
)

// Files returns a catalog of log files, with a list of them at the root. [Catalog.Close]
// closes l.
func Files(l *logs.Logs) Catalog { return &files{logs: l} }

type files struct {
	logs *logs.Logs

	mu    sync.Mutex
	found *logs.List
	list  *List // made from found
}

// maxDepth is how many folders deep a file may be. The page, which strangers get as well, has two
// dozen links that begin with a step up for each folder.
const maxDepth = 256

// Target implements [Catalog].
func (*files) Target(path string) Target {
	switch {
	case path == "/":
		return AList
	case strings.HasPrefix(path, "/") && strings.Count(path, "/") <= maxDepth:
		return AStream
	}
	return Nothing
}

// Open implements [Catalog].
func (f *files) Open(ctx context.Context, path string, filter logs.Filter) (Stream, error) {
	if path == "/" {
		if !filter.All() {
			return nil, ErrNoFilter
		}
		return changes{f.logs}, nil
	}
	opened, err := f.logs.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return file{opened, f.logs, filter}, nil
}

// List implements [Catalog].
func (f *files) List(ctx context.Context) (*List, error) {
	found, err := f.logs.List(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if found != f.found {
		entries := make([]entry, len(found.Files))
		for i, one := range found.Files {
			entries[i] = entry{Path: one.Path, Size: one.Size, Modified: one.ModTime}
		}
		f.found, f.list = found, newList(entries, found.Cut)
	}
	return f.list, nil
}

// End implements [Catalog].
func (f *files) End() { f.logs.End() }

// Close implements [Catalog].
func (f *files) Close() { f.logs.Close() }

// A file is a log file, opened for one request.
type file struct {
	*logs.File
	logs   *logs.Logs
	filter logs.Filter
}

// Title implements [Stream].
func (f file) Title() string { return f.Path() }

// Follow implements [Stream].
func (f file) Follow(ctx context.Context) (*hub.Hub, func(), error) {
	return f.File.Follow(ctx, f.filter)
}

// Stored implements [Stream].
func (f file) Stored() Stored { return f }

// Grows implements [Stored].
func (f file) Grows() bool { return !f.Compressed() }

// Content implements [Stored].
func (f file) Content(lines int, pace logs.Pace) (*logs.Content, error) {
	return f.File.Content(lines, f.filter, pace)
}

// Bytes implements [Stored].
func (f file) Bytes(pace logs.Pace) (io.ReadSeeker, time.Time, bool) {
	content, modified, err := f.File.Bytes(pace)
	return content, modified, err == nil && f.filter.All()
}

// About implements [Stored].
func (f file) About() hub.Content {
	return hub.Content{Kind: hub.File, Title: f.Path(), Stopping: f.logs.Stopping()}
}

// A fileStatus is the JSON body of the status of a file.
type fileStatus struct {
	Version string   `json:"version"`
	Kind    hub.Kind `json:"kind"`
	Title   string   `json:"title"`
	Now     int64    `json:"now"`
}

func (f file) status(version string) any {
	return fileStatus{version, hub.File, f.Title(), time.Now().UnixMilli()}
}

// changes is the stream of the changes of the list.
type changes struct{ logs *logs.Logs }

// Title implements [Stream].
func (changes) Title() string { return "files" }

// Follow implements [Stream].
func (c changes) Follow(ctx context.Context) (*hub.Hub, func(), error) {
	return c.logs.FollowList(ctx)
}

// Stored implements [Stream].
func (changes) Stored() Stored { return nil }

func (c changes) status(version string) any {
	return fileStatus{version, hub.List, c.Title(), time.Now().UnixMilli()}
}

// Close implements [Stream].
func (changes) Close() {}

// A filesStatus is the JSON body of /-/status for a catalog of files.
type filesStatus struct {
	Version    string `json:"version"`
	Followed   int    `json:"followed"`
	Viewers    int    `json:"viewers"`
	Goroutines int    `json:"goroutines"`
}

func (f *files) status(version string) any {
	st := f.logs.Stats()
	return filesStatus{version, st.Watched + st.Idle, st.Viewers, runtime.NumGoroutine()}
}

func (f *files) metrics(m exposition) {
	st := f.logs.Stats()
	m.streams(st.Read, st.Chunks, st.RingBytes, st.RingLines)
	m.family("wsrun_files_followed", "gauge",
		"Files, and filtered views of them, that are followed now: watched by viewers, or idle for a while after the last.")
	m.value(label("wsrun_files_followed", "state", "watched"), int64(st.Watched))
	m.value(label("wsrun_files_followed", "state", "idle"), int64(st.Idle))
	m.single("wsrun_files_filtered", "gauge", "Filtered views among those.", int64(st.Filtered))
	m.single("wsrun_files_follows_total", "counter", "Times that a file began to be followed.", st.Started)
	m.single("wsrun_files_evictions_total", "counter", "Times that a file was dropped since nobody watched it.", st.Dropped)
}
