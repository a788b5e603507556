package server

import (
	"context"
	"errors"
	"io"
	"time"

	"wsrun/hub"
	"wsrun/internal/logs"
)

// A Catalog is the set of streams that a server serves: one, or many. Its methods may be
// called concurrently. A path is a URL's path below [Options.Base], unescaped, and never
// starts with /-/. Only this package implements Catalog; see [Single] and [Files].
type Catalog interface {
	// Target returns what a path names, judging by its syntax alone. The server also calls
	// it for clients without credentials, so Target must not open or look up anything.
	Target(path string) Target
	// Open opens the stream that a path names, for one request; for a list, that is the stream
	// of its changes. What is stored, and its followers, are limited to the lines that filter
	// passes; other streams ignore it. The caller must call [Stream.Close]. The error is
	// ErrNotFound, ErrBusy or ErrNoFilter.
	Open(ctx context.Context, path string, filter logs.Filter) (Stream, error)
	// List returns the list of the streams, newest first. As long as nothing changes, it is
	// the same one, so that requests share it.
	List(ctx context.Context) (*List, error)

	// End ends the streams that the catalog itself feeds, which closes their viewers'
	// connections. End is idempotent.
	End()
	// Close calls End, waits for what the catalog started, and frees it. All viewers must
	// have disconnected.
	Close()

	status(version string) any
	metrics(m exposition)
}

// A Target is the kind of thing that a path names. A path of the right form may still name
// a stream that doesn't exist.
type Target int

// The targets of paths.
const (
	Nothing Target = iota // no stream could have this path
	AStream
	AList // a list of streams
)

// A Stream is a stream opened for one request. Only one goroutine may use it at a time.
type Stream interface {
	// Title returns the stream's name, as shown to viewers.
	Title() string
	// Follow returns the stream's hub. Unless it returns an error, the caller must call
	// leave when it is done with the hub. The error is ErrNotFollowed, ErrFull or
	// ErrNotFound.
	Follow(ctx context.Context) (h *hub.Hub, leave func(), err error)
	// Stored returns the part of the stream that can be read without its hub, or nil if
	// there is none.
	Stored() Stored
	// Close releases the stream. It may be called before leave.
	Close()

	status(version string) any
}

// Stored is the content of a stream that is stored outside wsrun, such as a file. Only one
// goroutine may use it at a time, and only until [Stream.Close].
type Stored interface {
	// Grows reports whether the stream can also be followed.
	Grows() bool
	// Content returns the last lines that the filter passes, or all of them if lines is
	// negative, to be read at the given pace. The caller must call [logs.Content.Close].
	// The error is ErrNotFound, ErrBusy, that of pace, or says why the content can't be
	// read, for example that an archive is damaged.
	Content(lines int, pace logs.Pace) (*logs.Content, error)
	// From is Content without a filter, from a place at or before the beginning of a line on.
	From(line int64, pace logs.Pace) (*logs.Content, logs.Place, error)
	// Bytes returns the exact stored bytes, to be read at the given pace, and their
	// modification time; ok is false if the stream was opened with a filter, or can't be
	// read.
	Bytes(pace logs.Pace) (content io.ReadSeeker, modified time.Time, ok bool)
	// Held returns about how many bytes of memory reading the content takes, in addition
	// to the buffers of any response.
	Held() int64
	// About returns the description that WebSocket viewers get.
	About() hub.Content
}

// Errors of a [Catalog] and its streams. Their texts are sent to clients.
var (
	// ErrNotFound means that no such stream exists, or that the client may not read it.
	ErrNotFound = logs.ErrNotFound
	// ErrBusy means that the process is out of file descriptors: retrying may help.
	ErrBusy = logs.ErrBusy
	// ErrFull means that too many streams are followed already: retrying may help.
	ErrFull = logs.ErrFull
	// ErrFilters means that those who follow a stream filter it by too many expressions already: retrying may help.
	ErrFilters = errors.New("the output is filtered by too many expressions already")
	// ErrNotFollowed means that the stream can be read but not followed.
	ErrNotFollowed = logs.ErrArchive
	// ErrNoFilter means that the stream can't be filtered.
	ErrNoFilter = errors.New("grep is for files")
)
