package hub

// An Outcome is how a session has ended. The zero Outcome, Following, means that it hasn't.
type Outcome uint8

// Outcomes of a session.
const (
	Following Outcome = iota // the session continues
	Left                     // the viewer has disconnected
	Ended                    // the stream has ended, and all of it was sent
	Stopping                 // wsrun is shutting down before the stream's source has ended
	Stalled                  // the viewer accepted no byte for stallTime
	Silent                   // the viewer didn't answer a ping
	Spoke                    // the viewer has sent a message
	Missed                   // output is gone that this form of the stream can't skip

	pooled  // the writer pool serves the viewer from here on
	behind  // the viewer has fallen out of the ring, and needs the history or a new start
	closing // a close frame was sent: the connection is in its closing handshake
)

// String returns how the session has ended, as logs and close frames say it.
func (o Outcome) String() string {
	switch o {
	case Ended:
		return "the stream ended"
	case Stopping:
		return "wsrun stops"
	case Stalled:
		return "the viewer takes nothing"
	case Silent:
		return "it does not answer pings"
	case Spoke:
		return "it spoke"
	case Missed:
		return "it missed output"
	}
	return "it left"
}
