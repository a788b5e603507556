package hub

import (
	"math"
	"slices"
	"sync/atomic"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/internal/protocol"
)

// A Run is a part of a stream with an epoch, offsets and line numbers of its own, which viewers see: what is from one content of a
// file. All of a command's output is one run. Elsewhere, offsets and lines are those of the stream.
type Run struct {
	Epoch string
	Begin history.Place // where its first byte and its first line are, in the stream
	From  int64         // from which offset on the stream is that run
	Exact bool          // its line numbers count from its first line
}

// Offset returns the run's own offset for one of the stream.
func (r Run) Offset(offset int64) int64 { return offset - r.Begin.Offset }

// Line returns the run's own number for one of the stream.
func (r Run) Line(line int64) int64 { return line - r.Begin.Line + 1 }

// place returns a place of the stream in the run's own terms: the run's beginning if the place is before that.
func (r Run) place(at history.Place) *protocol.Place {
	return &protocol.Place{Offset: max(r.Offset(at.Offset), 0), Line: max(r.Line(at.Line), 1)}
}

// stamps returns those of the stream's stamps that are in the run, in its own terms. The caller must not modify them.
func (r Run) stamps(all []broadcaster.Stamp) []broadcaster.Stamp {
	if r.Begin.Offset == 0 {
		return all
	}
	var own []broadcaster.Stamp
	for _, s := range all {
		if s.Offset >= r.Begin.Offset {
			own = append(own, broadcaster.Stamp{Offset: r.Offset(s.Offset), UnixMilli: s.UnixMilli})
		}
	}
	return own
}

// timesIn returns the times in a snapshot in a run's own terms.
func (h *Hub) timesIn(r Run, s snapshot) []byte {
	if r.Begin.Offset == 0 {
		return s.times
	}
	return lastTimes(r.stamps(h.Stream.Snapshot().Stamps(s.start.Offset)))
}

// kept returns what a terminal keeps in the run's own terms.
func (r Run) kept(k *protocol.KeptEvent) *protocol.KeptEvent {
	if k == nil || r.Begin.Offset == 0 {
		return k
	}
	own := *k
	own.Offset, own.Line = r.Offset(k.Offset), r.Line(k.Line)
	return &own
}

// maxRuns is how many runs of a stream can be told apart: the last ones.
const maxRuns = 1024

// runs are the runs of a stream that has more than one: the first is what comes before the others.
type runs = atomic.Pointer[[]Run]

// BeginRun makes what is written to the stream from now on another run. The caller must be the only one that writes.
func (h *Hub) BeginRun(r Run) {
	list := append(slices.Clone(h.allRuns()), r)
	if len(list) > maxRuns {
		list = list[1:]
		list[0] = Run{Begin: history.Place{Line: 1}} // nothing is known of it any more
	}
	h.runs.Store(&list)
}

// allRuns returns a stream's runs, in order.
func (h *Hub) allRuns() []Run {
	if all := h.runs.Load(); all != nil {
		return *all
	}
	return []Run{h.onlyRun()}
}

// onlyRun returns the run of a stream that has no other.
func (h *Hub) onlyRun() Run {
	return Run{Epoch: h.Stream.Epoch(), Begin: history.Place{Line: 1}, Exact: !h.partial.Load()}
}

// RunAt returns the run that has the byte at an offset of the stream.
func (h *Hub) RunAt(offset int64) Run {
	if h.runs.Load() == nil { // as for each line of each viewer
		return h.onlyRun()
	}
	all := h.allRuns()
	i := len(all) - 1
	for i > 0 && all[i].From > offset {
		i--
	}
	return all[i]
}

// RunEnd returns the offset of the stream at which the run ends that has the byte at another offset; math.MaxInt64 if it is the last.
func (h *Hub) RunEnd(offset int64) int64 {
	for _, r := range h.allRuns() {
		if r.From > offset {
			return r.From
		}
	}
	return math.MaxInt64
}

// LastRun returns the run that is being written.
func (h *Hub) LastRun() Run {
	all := h.allRuns()
	return all[len(all)-1]
}

// Locate returns a position that a viewer has asked for in the stream's own terms. A line is one of the last run. An offset of a run
// that isn't known, or beyond its end, is none that can be resumed at.
func (h *Hub) Locate(p Position) Position {
	if p.Line > 0 {
		p.Line += h.LastRun().Begin.Line - 1
	}
	if p.Offset < 0 {
		return p
	}
	all := h.allRuns()
	for i, r := range all {
		offset := p.Offset + r.Begin.Offset
		if r.Epoch == p.Epoch && p.Epoch != "" && (i == len(all)-1 || offset <= all[i+1].From) {
			p.Epoch, p.Offset, p.run = h.Stream.Epoch(), offset, r
			return p
		}
	}
	p.Epoch = ""
	return p
}
