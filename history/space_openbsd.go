package history

import (
	"os"

	"golang.org/x/sys/unix"
)

// space returns how many bytes of the file system that f is on are available, and how many there are.
func space(f *os.File) (left, total int64, err error) {
	var st unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &st)
	return st.F_bavail * int64(st.F_bsize), int64(st.F_blocks) * int64(st.F_bsize), err
}
