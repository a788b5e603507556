// Package watch lets tests record what a viewer receives.
package watch

import (
	"context"
	"fmt"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A Report is what a viewer has received.
type Report struct {
	Data   []byte
	Hello  protocol.HelloEvent // the zero value if there was none
	Events []string            // except hello, viewers and ping; each with the length of Data before it
	Code   int                 // of the close frame; 0 if there was none
}

// Viewer reads what v receives, to the end or until it has limit bytes of output. A negative
// limit is none. The error is nil if the server sent a close frame.
func Viewer(v *client.Viewer, limit int) (r Report, err error) {
	for limit < 0 || len(r.Data) < limit {
		m, err := v.Next(context.Background())
		if err != nil {
			if r.Code = client.CloseCode(err); r.Code == 0 {
				return r, err
			}
			return r, nil
		}
		switch e := m.Event.(type) {
		case nil:
			r.Data = append(r.Data, m.Payload...)
		case protocol.HelloEvent:
			r.Hello = e
		case protocol.ViewersEvent, protocol.PingEvent:
		default:
			r.Events = append(r.Events, fmt.Sprintf("%d %s", len(r.Data), m.Payload))
		}
	}
	return r, nil
}
