// Package filetail reads files that other programs write: it decides which files may be
// read, finds the last lines of a file, and follows what is appended.
//
// A [Root] opens the files below some paths and nothing else. [Tail] finds where the last
// lines of a file begin. [Follow] copies those lines and whatever is appended, across
// rotation, truncation and deletion. [Decompress] reads rotated files that were compressed.
//
// The package knows nothing about networks, and keeps nothing in memory but the piece that
// it is copying.
package filetail
