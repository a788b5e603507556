//go:build unix && !linux

package history

import "os"

// createUnlinked creates a file in dir that has no name, so that nothing is left of it when the process
// ends, however it ends.
func createUnlinked(dir string) (*os.File, error) { return createNamed(dir) }
