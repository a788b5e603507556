package logs

import (
	"os"

	"golang.org/x/sys/unix"
)

// identify returns what identifies an open file.
func identify(f *os.File) (id identity) {
	c, err := f.SyscallConn()
	if err != nil {
		return id
	}
	c.Control(func(fd uintptr) {
		var st unix.Statx_t
		if unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st) != nil {
			return
		}
		id.device, id.inode = uint64(st.Dev_major)<<32|uint64(st.Dev_minor), st.Ino
		if st.Mask&unix.STATX_BTIME != 0 {
			id.created = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
		}
	})
	return id
}
