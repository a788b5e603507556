package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"wsrun/broadcaster"
	"wsrun/internal/protocol"
)

// ErrGone means that the output at a position is gone, or was never in this run.
var ErrGone = errors.New("the output there is gone")

// A Slice is a section of a stream, with all that a new terminal needs to show it.
type Slice struct {
	Epoch   string          `json:"epoch"`
	Offset  int64           `json:"offset"` // of the first byte
	Line    int64           `json:"line"`   // number of the line that it belongs to
	End     int64           `json:"end"`    // offset after the last byte
	Next    int64           `json:"next"`   // where to continue; after End if output is missing there
	Cols    int             `json:"cols"`
	Rows    int             `json:"rows"`
	Prelude string          `json:"prelude"`
	Times   json.RawMessage `json:"times"`
	Events  []PlacedEvent   `json:"events"`

	Output [][]byte `json:"-"` // shared; must not be modified
}

// A PlacedEvent is an event of wsrun.v1 after the byte before Offset. As JSON, it is [offset,{…}].
type PlacedEvent struct {
	Offset int64
	Event  any
}

// MarshalJSON implements [json.Marshaler].
func (e PlacedEvent) MarshalJSON() ([]byte, error) { return json.Marshal([]any{e.Offset, e.Event}) }

// SliceLimits say where a slice ends: whatever comes first.
type SliceLimits struct {
	Lines int64
	Bytes int64
	Until int64 // a time in ms since 1970; 0 for none
}

// Slice returns the section of the stream that begins at a position, as far as there is output. It may wait for a
// disk. The error is ErrGone. If ctx is done, nobody needs the slice any more.
func (h *Hub) Slice(ctx context.Context, p Position, limits SliceLimits) (*Slice, error) {
	sought := h.Seek(p)
	at := sought.Position
	if at.Epoch != h.Stream.Epoch() || at.Offset > h.Stream.Stats().End {
		return nil, ErrGone
	}
	start, ok := h.startAt(at.Offset, false, ctx.Done())
	if !ok {
		return nil, ErrGone
	}
	s := &Slice{
		Offset: start.start.Offset, Line: start.start.Line, End: start.start.Offset,
		Cols: start.start.Size.Cols, Rows: start.start.Size.Rows, Prelude: string(drawn(start.prelude)), Events: []PlacedEvent{},
	}
	end := h.Stream.Stats().End
	if limits.Until > 0 {
		end = min(end, h.Seek(Position{Offset: -1, Time: limits.Until}).Offset)
	}
	if !sought.Ahead {
		s.fill(start.cursor, end, limits)
	}
	stamps := h.StampsBetween(s.Offset, s.End)
	if len(stamps) > maxStamps && stamps[maxStamps].Offset < s.End {
		s.cut(stamps[maxStamps].Offset)
	}
	s.Next = max(s.Next, s.End)
	s.tell(h.RunAt(s.Offset), stamps)
	return s, nil
}

// tell puts a slice in its run's own terms.
func (s *Slice) tell(r Run, stamps []broadcaster.Stamp) {
	n := len(stamps)
	for n > 0 && stamps[n-1].Offset >= s.End {
		n--
	}
	times, _ := encodeTimes(r.stamps(stamps[:n]))
	s.Times = slices.Concat([]byte("["), times, []byte("]"))
	s.Epoch = r.Epoch
	s.Line = r.Line(s.Line)
	s.Offset, s.End, s.Next = r.Offset(s.Offset), r.Offset(s.End), r.Offset(s.Next)
	for i := range s.Events {
		s.Events[i].Offset = r.Offset(s.Events[i].Offset)
	}
}

// maxStamps is how many times a slice has at most. Each takes up to 30 bytes.
const maxStamps = 32 << 10

// cut makes the slice end at an offset within it.
func (s *Slice) cut(end int64) {
	at := s.Offset
	for i, part := range s.Output {
		if at+int64(len(part)) >= end {
			s.Output = append(s.Output[:i], part[:end-at])
			break
		}
		at += int64(len(part))
	}
	s.Events = slices.DeleteFunc(s.Events, func(e PlacedEvent) bool { return e.Offset > end })
	s.End, s.Next = end, end
}

// fill adds the output that follows at a cursor, up to the offset end.
func (s *Slice) fill(c *broadcaster.Cursor, end int64, limits SliceLimits) {
	for lines := limits.Lines; lines > 0; {
		item, wait, err := c.PollHistory()
		switch {
		case err != nil || wait != nil:
			return
		case item.Reset != nil:
			s.Next = item.Reset.Offset
			return
		case item.Event != nil:
			if e, ok := item.Event.(FileEvent); ok && e.Run != nil && s.End > s.Offset {
				return // what follows is another run's
			}
			s.addEvent(item.Event)
			continue
		}
		p := item.Data[:max(min(int64(len(item.Data)), end-s.End, s.Offset+limits.Bytes-s.End), 0)]
		if len(p) == 0 {
			return
		}
		n := 0
		for ; lines > 0 && n < len(p); lines-- {
			size := bytes.IndexByte(p[n:], '\n') + 1
			if size == 0 {
				n = len(p)
				break
			}
			n += size
		}
		s.Output = append(s.Output, p[:n])
		if s.End += int64(n); n < len(item.Data) {
			return
		}
	}
}

// addEvent adds an event at the end.
func (s *Slice) addEvent(event any) {
	switch e := event.(type) {
	case broadcaster.Resize:
		event = newResizeEvent(e)
	case broadcaster.Exit:
		event = NewExitEvent(e)
	case FileEvent:
		if e.Run != nil { // the slice begins there
			return
		}
		event = NewFileEvent(e)
	default:
		return
	}
	s.Events = append(s.Events, PlacedEvent{s.End, event})
}

// ReadAt fills p with output from offset on, and returns how much that was: nothing if there is none. In that case,
// next is the place at which the output continues after what is missing. It may wait for a disk.
func (h *Hub) ReadAt(p []byte, offset int64) (n int, next protocol.Place) {
	ring := h.Stream.Snapshot()
	oldest := h.oldestOf(ring)
	if h.History != nil && offset < oldest.Offset {
		if n, _ := h.History.ReadAt(p, offset); n > 0 {
			return n, next
		}
		if at := h.History.Next(offset); at.Offset > offset && at.Offset < oldest.Offset {
			return 0, protocol.Place{Offset: at.Offset, Line: at.Line}
		}
	}
	st := ring.Stats()
	parts, _, ok := ring.Range(offset, min(offset+int64(len(p)), st.End))
	if !ok {
		return 0, protocol.Place{Offset: oldest.Offset, Line: oldest.Line}
	}
	for _, part := range parts {
		n += copy(p[n:], part)
	}
	return n, protocol.Place{Offset: offset, Line: st.Line + st.Lines}
}
