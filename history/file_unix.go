//go:build unix

package history

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// isFull reports whether a write has failed because the disk is full.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// systemDirs returns the directories to try after $TMPDIR.
func systemDirs() []string { return []string{"/var/tmp", "/tmp"} }

// createNamed creates a file in dir and removes its name.
func createNamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "wsrun-") // 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
