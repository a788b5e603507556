package history

// A Section is a part of the output that can be searched on its own: a line begins at Place, outside of control
// sequences, and another section or the end of what is searched follows at End.
type Section struct {
	Place
	End       int64
	Alternate bool // the alternate screen is in use at Place
}

// Split divides the output from a line's place to the offset to into sections of about size bytes, so that
// several processors can search it. A section ends neither in a control sequence nor while the alternate
// screen is in use: the line from before that screen continues after it. Split looks at a block for each section.
// The error is ErrGone if from is in a control sequence.
func (l *Log) Split(from Place, to, size int64) ([]Section, error) {
	first, ok := l.section(from)
	if !ok {
		return nil, ErrGone
	}
	all := []Section{first}
	for at := from.Offset + size; at < to; at += size {
		place, err := l.lineFrom(at)
		if err != nil || place.Offset >= to {
			break
		}
		at = max(at, place.Offset)
		if next, ok := l.section(place); ok && !next.Alternate {
			all[len(all)-1].End = place.Offset
			all = append(all, next)
		}
	}
	all[len(all)-1].End = to
	return all, nil
}

// section returns the section that begins at a place. ok is false if the place is within a control sequence.
func (l *Log) section(at Place) (s Section, ok bool) {
	state, head, err := l.State(at.Offset)
	return Section{Place: at, Alternate: state.Alternate()}, err == nil && len(head) == 0 && !state.Within()
}
