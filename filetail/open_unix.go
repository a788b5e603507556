//go:build unix

package filetail

import (
	"os"
	"syscall"
)

// readFlags open a file without waiting: opening a FIFO would wait for its writer.
// To a regular file O_NONBLOCK means nothing (open(2)).
const readFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY

// nameless reports whether a file has no name left: when the last descriptor goes,
// so does its content, and its inode is free for another file.
func nameless(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
