//go:build darwin || freebsd

package logs

import "syscall"

// created returns when a file was created, in ns since 1970.
func created(st *syscall.Stat_t) int64 { return st.Birthtimespec.Nano() }
