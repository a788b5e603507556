//go:build !unix

package hub

// gone implements sender. On this system, only net/http notices.
func (c *conn) gone() bool { return false }
