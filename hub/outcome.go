package hub

// An Outcome is how a session ends. The zero Outcome is that it has not ended.
type Outcome uint8

// Outcomes of a session.
const (
	Following Outcome = iota // it goes on
	Left                     // the viewer has disconnected
	Ended                    // the stream has ended, and the viewer has all of it
	Stopping                 // wsrun stops before the stream's source has ended
	Stalled                  // the viewer takes nothing
	Silent                   // the viewer does not answer pings
	Spoke                    // the viewer has sent a message
	Missed                   // output is missing that can't be left out

	pooled  // the writer pool goes on with the viewer
	behind  // the viewer has fallen out of the ring, and is to be placed anew
	closing // a close frame was sent: the connection is in its closing handshake
)

// String returns how the session has ended, as logs say it.
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
