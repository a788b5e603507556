//go:build unix

package history

import (
	"os"
)

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
