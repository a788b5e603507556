package server

import (
	"context"
	"errors"
	"io"
	"time"

	"wsrun/hub"
	"wsrun/internal/logs"
)

// A Catalog is what a server serves: a single stream, or many. Its methods may be called
// concurrently. Paths are those of URLs below the base, with their escapes resolved, and
// never begin with /-/.
type Catalog interface {
	// Target reports what a path names, by its form alone: strangers may ask. It opens
	// nothing.
	Target(path string) Target
	// Open opens the stream that a path names, for one request; who follows it gets the
	// lines that filter lets through. The caller must call Close. The error is
	// ErrNotFound, ErrBusy or ErrNoFilter.
	Open(ctx context.Context, path string, filter logs.Filter) (Stream, error)
	// List returns what there is, newest first; cut reports that there is more.
	List(ctx context.Context) (entries []Entry, cut bool, err error)

	// End ends the streams, so that viewers leave. Close frees what the catalog holds; the
	// viewers should have left.
	End()
	Close()

	status(version string) any
	metrics(m exposition)
}

// A Target is what a path names.
type Target int

// Targets of paths.
const (
	Nothing Target = iota
	AStream
	AList // of streams
)

// A Stream is what a path names, opened for one request. One goroutine uses it.
type Stream interface {
	// Title is what viewers are told that the stream is.
	Title() string
	// Follow returns the stream's hub. The caller must call leave. The error is
	// ErrNotFollowed, ErrFull, ErrBusy or ErrNotFound.
	Follow(ctx context.Context) (h *hub.Hub, leave func(), err error)
	// Stored returns what of the stream can be read apart from its hub; nil if all that
	// there is to read is in the hub.
	Stored() Stored
	// Close gives the stream back. It may be called before leave.
	Close()
}

// Stored is what is kept of a stream where all programs can read it.
type Stored interface {
	// Grows reports whether the stream can be followed as well.
	Grows() bool
	// Content returns the last lines that the filter lets through; all if lines is
	// negative. The caller must call its Close.
	Content(ctx context.Context, lines int) (*logs.Content, error)
	// Bytes returns what is stored, as it is, and when it was modified last; it is false
	// where there is a filter.
	Bytes() (content io.ReadSeeker, modified time.Time, ok bool)
	// About is what viewers are told of it.
	About() hub.Content
}

// An Entry is a stream in a list.
type Entry struct {
	Path     string    `json:"path"`
	Link     string    `json:"link"` // set by the server
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
}

// What a [Catalog] may answer instead.
var (
	ErrNotFound    = logs.ErrNotFound
	ErrBusy        = logs.ErrBusy
	ErrFull        = logs.ErrFull
	ErrNotFollowed = logs.ErrArchive
	ErrNoFilter    = errors.New("grep is for files")
)
