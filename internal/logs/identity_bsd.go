//go:build darwin || freebsd || openbsd

package logs

import (
	"os"
	"syscall"
)

// identify returns what identifies an open file.
func identify(f *os.File) (id identity) {
	info, err := f.Stat()
	if err != nil {
		return id
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id = identity{uint64(st.Dev), uint64(st.Ino), created(st)}
	}
	return id
}
