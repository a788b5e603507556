package logs

import "syscall"

// created returns 0: the system doesn't say when a file was created.
func created(*syscall.Stat_t) int64 { return 0 }
