package history

import (
	"slices"

	"wsrun/broadcaster"
	"wsrun/screen"
)

// State returns the terminal's state at offset, after all changes there. If the offset is within a control sequence, head is what
// the sequence begins with, at most 64 KiB, and the state is that before it. The error is ErrGone or ErrAhead.
func (l *Log) State(offset int64) (state screen.State, head []byte, err error) {
	e, err := l.find(offset)
	if err != nil {
		return state, nil, err
	}
	l.store.mu.Lock()
	from := e
	for i := l.index.find(offset); from.state == nil && i > 0; i-- {
		from = l.index.entries[i-1]
	}
	l.store.mu.Unlock()
	if from.state == nil {
		return state, nil, ErrGone
	}
	state = *from.state
	for b := range l.blocks(from.offset, offset+1) {
		if head, err = l.scan(&state, &b, offset); err != nil {
			return state, nil, err
		}
	}
	return state, head, nil
}

// scan follows the output of e's block up to offset, and returns what is left: the beginning of a control
// sequence.
func (l *Log) scan(state *screen.State, e *entry, offset int64) (head []byte, err error) {
	p, err := l.output(e)
	if err != nil {
		return nil, err
	}
	p = p[:min(offset-e.offset, int64(len(p)))]
	var events []broadcaster.Event
	if e.events > 0 {
		if events, err = l.eventsOf(e); err != nil {
			return nil, err
		}
	}
	at := 0
	for _, event := range events {
		if size, ok := event.Event.(broadcaster.Resize); ok && event.Offset <= offset {
			at += state.Scan(p[at : event.Offset-e.offset])
			state.Resize(size.Rows)
		}
	}
	at += state.Scan(p[at:])
	return slices.Clip(p[at:]), nil // the block is shared
}

// sizeAt returns the terminal's size at offset, after all changes there. The error is ErrGone or ErrAhead.
func (l *Log) sizeAt(offset int64) (broadcaster.Resize, error) {
	e, err := l.find(offset)
	if err != nil || e.events == 0 {
		return e.size(), err
	}
	events, err := l.eventsOf(&e)
	size := e.size()
	for _, event := range events {
		if to, ok := event.Event.(broadcaster.Resize); ok && event.Offset <= offset {
			size = to
		}
	}
	return size, err
}
