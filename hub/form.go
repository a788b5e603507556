package hub

// A Form is how a viewer receives a stream.
type Form int

// Forms of a stream.
const (
	FormV1     Form = iota // WebSocket, wsrun.v1
	FormPlain              // WebSocket, plain text
	FormEvents             // server-sent events
	FormText               // the body of an HTTP response
	Forms                  // the number of forms
)

// String returns the form's name in metrics and logs.
func (f Form) String() string { return [...]string{"wsrun.v1", "websocket", "events", "text"}[f] }

// formOf returns the form of a WebSocket.
func formOf(v1 bool) Form {
	if v1 {
		return FormV1
	}
	return FormPlain
}
