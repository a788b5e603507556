package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
)

var errNoName = errors.New("decode an event: it has no name")

// Decode returns the event of a text message. Fields that it does not know are ignored,
// and an event that it does not know is an [UnknownEvent]. It is an error if the payload
// is not a JSON object with a name in "event", if a field has a value of another type,
// and if an offset is negative or a [KeptEvent] outside of its prelude: a client may rely
// on them.
func Decode(payload []byte) (Event, error) {
	var head UnknownEvent
	if err := json.Unmarshal(payload, &head); err != nil {
		return nil, fmt.Errorf("decode an event: %w", err)
	}
	switch head.Event {
	case "":
		return nil, errNoName
	case "hello":
		e, err := decode[HelloEvent](payload)
		if err == nil {
			err = checkPosition(e.Event, e.Offset, e.Prelude, e.Kept)
		}
		return e, err
	case "reset":
		e, err := decode[ResetEvent](payload)
		if err == nil {
			err = checkPosition(e.Event, e.Offset, e.Prelude, e.Kept)
		}
		return e, err
	case "skip":
		e, err := decode[SkipEvent](payload)
		if err == nil {
			err = checkPosition(e.Event, e.Offset, e.Prelude, nil)
		}
		return e, err
	case "resize":
		return decode[ResizeEvent](payload)
	case "exit":
		return decode[ExitEvent](payload)
	case "viewers":
		return decode[ViewersEvent](payload)
	case "file":
		e, err := decode[FileEvent](payload)
		if err == nil && e.FileStart != nil {
			err = checkPosition(e.Event, e.Offset, "", nil)
		}
		return e, err
	case "numbers":
		return decode[NumbersEvent](payload)
	case "ping":
		return decode[PingEvent](payload)
	}
	return head, nil
}

func decode[E Event](payload []byte) (e E, err error) {
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, fmt.Errorf("decode an event: %w", err)
	}
	return e, nil
}

// checkPosition checks what a client counts and slices by.
func checkPosition(name string, offset int64, prelude string, k *KeptEvent) error {
	if offset < 0 {
		return fmt.Errorf("decode the event %s: the offset is %d", name, offset)
	}
	if k != nil && (k.Offset < 0 || k.From < 0 || k.From > k.To || k.To > len(prelude)) {
		return fmt.Errorf("decode the event %s: bytes %d to %d of a prelude of %d bytes, from offset %d on",
			name, k.From, k.To, len(prelude), k.Offset)
	}
	return nil
}
