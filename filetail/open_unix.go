//go:build unix

package filetail

import (
	"os"
	"syscall"
)

// readFlags open a file without blocking: opening a FIFO would wait for its writer. For a
// regular file, O_NONBLOCK has no effect (open(2)).
const readFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY

// nameless reports whether a file has no name left. When its last descriptor is closed, its
// content goes, and its inode is free for another file.
func nameless(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
