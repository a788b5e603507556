package hub

import (
	"time"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// momentStep is how far apart the places are, in bytes, at which a program is looked for that has begun since.
	momentStep = 64 << 10
	// maxMoment is how much output is followed for the screen at a moment, in bytes. The history has a picture of a
	// program that fills the screen for each 512 KiB.
	maxMoment = 2 << 20
	// momentTime is how long that output may be followed. Some takes minutes (docs/facts.md, screen).
	momentTime = time.Second
	// momentWait is how long a viewer waits for its turn and for the disk. After that, it gets only the terminal's state.
	momentWait = 10 * time.Second
)

// A moment is where to begin to follow a program that fills the screen later.
type moment struct {
	offset  int64
	size    broadcaster.Resize
	prelude []byte // what puts a new terminal into the state there
}

// screenAt returns what makes a new terminal show the screen at an offset, if a program fills it there. It waits for a turn and
// for the disk, but not once gone is closed.
func (h *Hub) screenAt(offset int64, gone <-chan struct{}) (prelude []byte, ok bool) {
	if !h.mayBeFilled(offset) {
		return nil, false
	}
	late := time.NewTimer(momentWait)
	defer late.Stop()
	select {
	case h.moments <- struct{}{}:
	case <-gone:
		return nil, false
	case <-late.C:
		return nil, false
	}
	made := make(chan []byte, 1)
	h.making.Go(func() {
		defer func() { <-h.moments }()
		defer h.Panics.Contain("show a moment", func() { made <- nil })
		made <- h.makeMoment(offset)
	})
	select {
	case prelude = <-made:
	case <-gone:
	case <-late.C:
	}
	return prelude, prelude != nil
}

// mayBeFilled reports whether a program may fill the screen at an offset.
func (h *Hub) mayBeFilled(offset int64) bool {
	if h.History != nil {
		if at, ok := h.History.HasPicture(offset); ok && at >= offset-maxMoment {
			return true
		}
	}
	at := h.pointAt(offset)
	return at.State.Alternate()
}

// makeMoment returns what makes a new terminal show the screen at an offset; nil if no program fills it.
func (h *Hub) makeMoment(offset int64) (prelude []byte) {
	from, ok := h.momentBefore(offset)
	if !ok {
		return nil
	}
	return h.screenFrom(from, offset)
}

// screenFrom follows the output from a moment to an offset, and returns what makes a new terminal show the screen there; nil if
// no program fills it.
func (h *Hub) screenFrom(from moment, offset int64) (prelude []byte) {
	s := screen.New()
	s.Panicked = h.Panics.Reporter("follow the screen")
	s.History = func(end int64) (output []byte, before screen.State, ok bool) {
		if end -= int64(len(from.prelude)); end < 0 { // the prelude itself begins a program
			return nil, before, false
		}
		return h.outputUpTo(end + from.offset)
	}
	defer s.Close()
	s.Resize(from.size.Cols, from.size.Rows)
	s.Write(from.prelude)
	output, ok := h.replay(s, from.offset, offset)
	p := s.Picture()
	if !ok || p.Text == nil {
		return nil
	}
	drawn := p.To - int64(len(from.prelude)) // of the output
	return append(append(p.Before.Append(nil), p.Prelude...), output[max(drawn, 0):]...)
}

// outputUpTo returns output that ends at an offset, from the beginning of a line on if possible, and the state there.
func (h *Hub) outputUpTo(end int64) (output []byte, before screen.State, ok bool) {
	from := max(end-historyBytes, 0)
	if at, ok := h.LineFrom(from); ok && at.Offset < end {
		from = at.Offset
	}
	at := h.pointAt(from)
	output = make([]byte, end-from)
	for n := 0; n < len(output); {
		read, _ := h.ReadAt(output[n:], from+int64(n))
		if read == 0 {
			return nil, before, false
		}
		n += read
	}
	return append(at.Head, output...), at.State, true
}

// momentBefore returns where to begin for the screen at an offset. ok is false if no program fills it.
func (h *Hub) momentBefore(offset int64) (moment, bool) {
	low := max(offset-maxMoment, 0)
	if h.History != nil {
		if p, err := h.History.Picture(offset); err == nil && p.Offset >= low {
			return moment{p.Offset, p.Size, p.Prelude}, true
		}
	}
	at := h.pointAt(offset)
	if !at.State.Alternate() {
		return moment{}, false
	}
	for at.State.Alternate() && at.Offset > low {
		at = h.pointAt(max(at.Offset-momentStep, low))
	}
	_, start, ok := h.Stream.Past(at.Offset)
	return moment{at.Offset, start.Size, at.prelude()}, ok && !at.State.Alternate()
}

// replay shows the output from one offset to another to a screen, and the sizes up to there. It returns the output.
func (h *Hub) replay(s *screen.Screen, from, to int64) (output []byte, ok bool) {
	c, _, ok := h.Stream.Past(from)
	for end := time.Now().Add(momentTime); ok && time.Now().Before(end); {
		at := c.Offset()
		item, wait, err := c.PollHistory()
		switch {
		case at == to && item.Event == nil:
			return output, true
		case err != nil || wait != nil || item.Reset != nil:
			return nil, false
		}
		if size, ok := item.Event.(broadcaster.Resize); ok {
			s.Resize(size.Cols, size.Rows)
		}
		data := item.Data[:min(int64(len(item.Data)), to-at)]
		for left := data; len(left) > 0; {
			if left = left[s.WriteUntil(left, end):]; time.Now().After(end) {
				return nil, false
			}
		}
		if output = append(output, data...); at+int64(len(item.Data)) > to {
			return output, true
		}
	}
	return nil, false
}
