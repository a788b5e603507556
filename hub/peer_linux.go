package hub

import "golang.org/x/sys/unix"

// hangup is the event of poll(2) that a peer has closed its side of the connection.
const hangup = unix.POLLRDHUP
