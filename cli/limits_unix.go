//go:build unix

package cli

import (
	"math"

	"golang.org/x/sys/unix"
)

// openFiles returns how many files may be open. Go's runtime has raised the soft
// limit to the hard limit, or to one less. It starts the command with the limit that
// wsrun was started with, but would not after a call of Setrlimit here.
func openFiles() (int, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)), true
}
