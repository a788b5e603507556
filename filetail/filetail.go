// Package filetail reads files that others write: which of them may be read, the
// last lines of one, and then all that is appended.
//
// A [Root] opens the files below some paths and nothing else. [Tail] finds where
// the last lines of a file begin. [Follow] copies them and what is appended, over
// rotation, truncation and deletion. [Decompress] reads what a rotation packed.
//
// The package knows no network, and keeps nothing in memory but the piece that it
// is copying.
package filetail
