//go:build unix && !linux

package hub

// hangup is empty: on these systems, a peer that has closed its side raises POLLHUP, which need not
// be asked for.
const hangup = 0
