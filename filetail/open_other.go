//go:build !unix

package filetail

import "os"

const readFlags = os.O_RDONLY

func nameless(os.FileInfo) bool { return false }
