package history

import (
	"sort"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// sharedStates is how many of the last states the index compares a new one with.
	sharedStates = 8
	// freeTexts is how long the texts in a new state may be, in bytes. A block whose state has longer
	// ones has none of its own, unless it is the first in a slot: a program may set a title
	// of 4 KiB for each block.
	freeTexts = 48
)

// An entry describes a block on disk. At pos there are its output, its times and its events.
type entry struct {
	offset, line  int64         // of the first byte; newlines before it
	latest        int64         // the greatest time in the blocks before, in ms; 0 if there is none
	state         *screen.State // at offset; nil if it must be found from the entry before
	pos           int64
	output        int32 // bytes
	times, events int32 // bytes
	newlines      int32
	cols, rows    uint16 // in force at offset
	begins        bool   // a line begins at offset
	fresh         bool   // the output before offset is not stored
}

func (e *entry) end() int64 { return e.offset + int64(e.output) }
func (e *entry) size() broadcaster.Resize {
	return broadcaster.Resize{Cols: int(e.cols), Rows: int(e.rows)}
}
func (e *entry) place() place { return place{e.offset, e.line, e.size(), e.begins, e.latest} }

// A place is where a block begins.
type place struct {
	offset, line int64 // newlines before offset
	size         broadcaster.Resize
	begins       bool  // a line begins at offset
	latest       int64 // the greatest time in the blocks before, in ms; 0 if there is none
}

// start describes a place to a reader.
func (p place) start() broadcaster.Start {
	return broadcaster.Start{Offset: p.offset, Line: p.line + 1, Size: p.size}
}

// An index has an entry for each block of a log. The store's mu guards it.
type index struct {
	entries []entry
	recent  [sharedStates]*screen.State // the last states that differ; the latest is first
	next    place                       // of the block that is being filled
	begun   bool                        // next is set
}

// add adds the entry of the block that begins in the given state.
func (x *index) add(e entry, state screen.State, slotSize int64) {
	n := len(x.entries)
	must := e.fresh || n == 0 || x.entries[n-1].pos/slotSize != e.pos/slotSize
	e.state = x.share(state, must)
	x.entries = append(x.entries, e)
}

// share returns a pointer to a state that may be shared, or nil if the state would take too much memory
// and isn't a must.
func (x *index) share(state screen.State, must bool) *screen.State {
	at := 0
	for ; at < len(x.recent)-1; at++ {
		if x.recent[at] == nil || *x.recent[at] == state {
			break
		}
	}
	own := x.recent[at]
	if own == nil || *own != state {
		if title, link := state.Texts(); !must && len(title)+len(link) > freeTexts {
			return nil
		}
		own = &state
	}
	copy(x.recent[1:at+1], x.recent[:at])
	x.recent[0] = own
	return own
}

// drop drops the entries of blocks before base on the tape, and returns how many bytes of output they had.
func (x *index) drop(base int64) (output int64) {
	n := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].pos >= base })
	for _, e := range x.entries[:n] {
		output += int64(e.output)
	}
	if x.entries = x.entries[n:]; len(x.entries) == 0 {
		x.entries, x.recent = nil, [sharedStates]*screen.State{}
	}
	return output
}

// find returns the number of the last entry that begins at or before offset; -1 if there is none.
func (x *index) find(offset int64) int {
	return sort.Search(len(x.entries), func(i int) bool { return x.entries[i].offset > offset }) - 1
}

// at returns the entry of the block that has the byte at offset.
func (x *index) at(offset int64) (e entry, ok bool) {
	i := x.find(offset)
	if i < 0 || offset >= x.entries[i].end() {
		return entry{}, false
	}
	return x.entries[i], true
}

// after returns the first place at or after offset at which a block begins.
func (x *index) after(offset int64) place {
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].offset >= offset })
	if i == len(x.entries) {
		return x.next
	}
	return x.entries[i].place()
}
