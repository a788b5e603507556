package server

import (
	"wsrun/broadcaster"
	"wsrun/hub"
)

// clockSpan is for how much output a clock has the times at once, in bytes.
const clockSpan = 256 << 10

// A clock finds the times of lines, which must be asked for in the stream's order.
type clock struct {
	hub    *hub.Hub            // nil if no time is known
	rest   func()              // called before a disk may have to be waited for
	stamps []broadcaster.Stamp // from the last offset on
	until  int64               // stamps is complete up to this offset
}

func newClock(h *hub.Hub, t *task) clock { return clock{hub: h, rest: t.rest} }

// at returns the time of the output at offset, in ms since 1970. ok is false if it isn't known.
func (c *clock) at(offset int64) (ms int64, ok bool) {
	if c.hub == nil {
		return 0, false
	}
	if offset >= c.until {
		if c.hub.HasLeft(offset) {
			c.rest()
		}
		end := min(offset+clockSpan, c.hub.Stream.Stats().End)
		c.stamps = c.hub.StampsBetween(offset, end)
		c.until = end
	}
	for len(c.stamps) > 1 && c.stamps[1].Offset <= offset {
		c.stamps = c.stamps[1:]
	}
	if len(c.stamps) == 0 || c.stamps[0].Offset > offset {
		return 0, false
	}
	return c.stamps[0].UnixMilli, true
}
