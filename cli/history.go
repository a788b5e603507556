package cli

import (
	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/hub"
)

// keepHistory returns a history of what b's ring is going to drop; nil if --history is 0.
func (s *service) keepHistory(b *broadcaster.Broadcaster) hub.History {
	if s.options.history == 0 {
		return nil
	}
	store := history.New(history.Options{
		Bytes: int64(s.options.history),
		Report: func(err error) {
			s.log.Warn("viewers that are slow may miss output", "error", err.Error())
		},
	})
	s.release = func() { store.Close() }
	return store.Follow(b)
}
