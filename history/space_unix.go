//go:build linux || darwin || freebsd

package history

import (
	"os"

	"golang.org/x/sys/unix"
)

// space returns how many bytes of the file system that f is on are available, and how many there are.
func space(f *os.File) (left, total int64, err error) {
	var st unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &st)
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), err
}
