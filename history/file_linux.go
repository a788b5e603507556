package history

import (
	"os"

	"golang.org/x/sys/unix"
)

// createUnlinked creates a file in dir that has no name, so that nothing is left of it when the process
// ends, however it ends.
func createUnlinked(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|unix.O_EXCL|os.O_RDWR, 0o600)
	if err != nil { // not every file system supports that
		return createNamed(dir)
	}
	return f, nil
}
