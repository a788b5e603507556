//go:build !linux && !darwin && !freebsd && !openbsd

package logs

import "os"

// identify returns that nothing is known of what identifies a file.
func identify(*os.File) identity { return identity{} }
