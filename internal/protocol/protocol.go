// Package protocol is wsrun.v1 as docs/protocol.md describes it, for both sides: its events,
// encoded and decoded, its close codes, and the frames of WebSockets below it.
package protocol

// Subprotocol is the WebSocket subprotocol of wsrun's own viewers.
const Subprotocol = "wsrun.v1"

// Close codes of streams. The first four are RFC 6455's (section 7.4.1) and IANA's.
const (
	CloseEnded    = 1000 // the stream ended, and everything was sent
	CloseStopping = 1001 // wsrun stops before the stream's end
	CloseSpoke    = 1008 // the viewer sent a message
	CloseFull     = 1013 // as many viewers as there may be, or as many files are followed
	CloseTooSlow  = 4008 // the viewer took nothing for 10 s
)
