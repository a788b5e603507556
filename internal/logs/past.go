package logs

import (
	"bytes"
	"context"
	"io"
	"iter"
	"math"
	"os"
	"sync"

	"wsrun/broadcaster"
	"wsrun/filetail"
	"wsrun/history"
	"wsrun/hub"
	"wsrun/screen"
)

// pieceBytes is the most that a viewer which is behind the ring gets at a time, in bytes.
const pieceBytes = 16 << 10

// A past is the history of a followed file: the file itself. It has what was read since the file was last truncated or
// replaced. It is a [hub.History], so its methods may be called concurrently, and may wait for a disk.
type past struct {
	logs   *Logs
	path   string
	stream *broadcaster.Broadcaster
	exact  func(exact bool) // is called once it is clear whether the stream's line numbers are the file's

	mu      sync.Mutex
	now     section
	changed chan struct{} // closed and replaced when now is another section
}

// A section is the part of a stream that is from one file.
type section struct {
	file     *os.File      // nil if the section can't be read
	index    *index        // of file
	id       identity      // of file
	begin    history.Place // of the file's first line, in the stream
	from     int64         // where reading the file began, in the stream
	numbered bool          // the stream's lines have their numbers
}

// readable reports whether the section can be read. Between two files, it can't.
func (s section) readable() bool { return s.file != nil && s.index != nil }

func newPast(l *Logs, path string, stream *broadcaster.Broadcaster) *past {
	return &past{logs: l, path: path, stream: stream, changed: make(chan struct{})}
}

// emit handles an event of [filetail.Follow], which is about to be placed in the stream.
func (p *past) emit(event any) {
	switch e := event.(type) {
	case filetail.Start:
		s, _ := p.current()
		p.stream.Begin(p.logs.epochs.of(s.id, s.file), e.Offset)
		p.begin(history.Place{Line: 1}, e.Offset)
	case filetail.Truncated:
		s, _ := p.current()
		p.logs.epochs.renew(s.id)
		p.logs.indexes.drop(p.path)
		p.beginAnew()
	case filetail.Rotated:
		p.beginAnew()
		if e.Offset > 0 { // how many lines come before isn't known
			p.read(nil)
		}
	}
}

// beginAnew begins a section at the end of the stream.
func (p *past) beginAnew() {
	p.stream.Flush()
	cursor, start := p.stream.Open(0)
	p.begin(history.Place{Offset: start.Offset, Line: cursor.Line()}, start.Offset)
}

// read makes the past read a file, which may be the one that it has read before, opened again.
func (p *past) read(f *os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.file = f; f != nil {
		p.note()
		p.now.id = identify(f)
	}
}

// note remembers how far the file was read. mu must be held.
func (p *past) note() {
	end := p.stream.Stats().End
	parts, _, ok := p.stream.Range(max(end-fingerprintBytes, p.now.begin.Offset), end)
	if ok && p.now.index != nil {
		p.logs.epochs.read(p.now.id, end-p.now.begin.Offset, bytes.Join(parts, nil))
	}
}

// begin begins a section at the beginning of the file, a place in the stream. from is where it is read from.
func (p *past) begin(at history.Place, from int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := section{file: p.now.file, id: p.now.id, begin: at, from: from, numbered: from == at.Offset}
	info, err := s.file.Stat()
	if err == nil {
		s.index, err = p.logs.indexes.of(p.path, s.file, info)
	}
	if err != nil {
		s.file = nil
	}
	if s.numbered {
		p.exact(at.Line == 1) // after another file, the stream's lines have other numbers
	}
	p.now = s
	close(p.changed)
	p.changed = make(chan struct{})
}

// current returns the section that is being read, and a channel that is closed when there is another.
func (p *past) current() (section, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

// Fill implements [hub.History]: it finds out which number the first line in the ring has.
func (p *past) Fill(ctx context.Context) {
	for {
		s, changed := p.current()
		if s.readable() && !s.numbered {
			p.number(ctx, s)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// number reads the file up to where the section was read from, and sets the stream's line numbers.
func (p *past) number(ctx context.Context, s section) {
	pace, rest := p.logs.indexing.pace(ctx)
	defer rest()
	at, err := s.index.at(pacedFile{s.file, pace, p.logs.stopping}, s.from, s.from)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.index != s.index {
		return
	}
	if s.check(err) == nil {
		p.stream.SetLine(at.line)
		p.now.numbered = true
	}
	p.exact(p.now.numbered)
}

// numberedAt returns the section if it has a byte of the stream and its lines have their numbers. The error is
// [history.ErrGone].
func (p *past) numberedAt(offset int64) (section, error) {
	s, _ := p.current()
	if !s.readable() || !s.numbered || offset < s.begin.Offset {
		return s, history.ErrGone
	}
	return s, nil
}

// size returns how much of the file the stream has.
func (p *past) size(s section) int64 { return p.stream.Stats().End - s.begin.Offset }

// check returns the error of a History for the result of an index' method: content that isn't in the file any more
// is gone, even if reading it was no error.
func (s section) check(err error) error {
	switch {
	case err == errAhead:
		return history.ErrAhead
	case err != nil:
		return history.ErrGone
	}
	if holds, err := s.index.holds(s.file); err != nil || !holds {
		return history.ErrGone
	}
	return nil
}

// First implements [hub.History].
func (p *past) First() (history.Place, bool) {
	s, _ := p.current()
	return s.begin, s.readable() && s.numbered
}

// End implements [hub.History]: the ring's times of what it has are better than none.
func (p *past) End() history.Place {
	offset, line := p.stream.Snapshot().Oldest()
	return history.Place{Offset: offset, Line: line}
}

// Next implements [hub.History].
func (p *past) Next(offset int64) history.Place {
	if first, ok := p.First(); ok && offset < first.Offset {
		return first
	}
	return p.End()
}

// Line implements [hub.History].
func (p *past) Line(n int64) (history.Place, error) {
	s, err := p.numberedAt(math.MaxInt64)
	if err != nil || n <= s.begin.Line {
		return s.begin, err
	}
	at, err := s.index.line(s.file, p.size(s), n-s.begin.Line+1)
	return history.Place{Offset: s.begin.Offset + at, Line: n}, s.check(err)
}

// LineFrom implements [hub.History].
func (p *past) LineFrom(offset int64) (history.Place, error) {
	s, err := p.numberedAt(math.MaxInt64)
	if err != nil || offset <= s.begin.Offset {
		return s.begin, err
	}
	at, line, err := s.index.lineFrom(s.file, p.size(s), offset-s.begin.Offset)
	return history.Place{Offset: s.begin.Offset + at, Line: s.begin.Line + line - 1}, s.check(err)
}

// State implements [hub.History].
func (p *past) State(offset int64) (screen.State, []byte, error) {
	s, err := p.numberedAt(offset)
	if err != nil {
		return screen.State{}, nil, err
	}
	at, err := s.index.at(s.file, p.size(s), offset-s.begin.Offset)
	return at.state, at.head, s.check(err)
}

// At implements [broadcaster.History].
func (p *past) At(offset int64) (broadcaster.Start, bool) {
	s, err := p.numberedAt(offset)
	if err != nil {
		return broadcaster.Start{}, false
	}
	at, err := s.index.at(s.file, p.size(s), offset-s.begin.Offset)
	return broadcaster.Start{Offset: offset, Line: s.begin.Line + at.line - 1}, s.check(err) == nil
}

// ReadAt implements [hub.History].
func (p *past) ReadAt(b []byte, offset int64) (int, error) {
	s, _ := p.current()
	at := offset - s.begin.Offset
	if !s.readable() || at < 0 {
		return 0, history.ErrGone
	}
	b = b[:max(min(int64(len(b)), p.size(s)-at), 0)]
	n, err := s.file.ReadAt(b, at)
	if n == len(b) || err == io.EOF {
		err = nil
	}
	return n, s.check(err)
}

// Read implements [broadcaster.History]. What happened to the file there is told no more.
func (p *past) Read(offset, _ int64) (broadcaster.Past, <-chan struct{}) {
	s, _ := p.current()
	begin := offset - (offset-s.begin.Offset)%pieceBytes
	piece := p.logs.pieces.Get(s.index, begin, pieceBytes)
	if piece == nil {
		piece = make([]byte, pieceBytes)
		n, err := p.ReadAt(piece, begin)
		if piece = piece[:n]; err != nil {
			return broadcaster.Past{}, nil
		}
		p.logs.pieces.Put(s.index, begin, piece)
	}
	// The ring has what follows, with the events there.
	end := min(int64(len(piece)), max(p.stream.Stats().Oldest-begin, 0))
	if offset-begin >= end {
		return broadcaster.Past{}, nil
	}
	return broadcaster.Past{Item: broadcaster.Item{Data: piece[offset-begin : end : end]}}, nil
}

// Since implements [hub.History]: only lines in the ring have times.
func (*past) Since(int64) (history.Place, error) { return history.Place{}, history.ErrAhead }

// Stamps implements [hub.History].
func (*past) Stamps(int64, int64) iter.Seq2[broadcaster.Stamp, error] {
	return func(func(broadcaster.Stamp, error) bool) {}
}

// HasPicture implements [hub.History].
func (*past) HasPicture(int64) (int64, bool) { return 0, false }

// Picture implements [hub.History].
func (*past) Picture(int64) (history.Picture, error) { return history.Picture{}, history.ErrGone }

// Close implements [hub.History].
func (p *past) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note()
	p.logs.pieces.Forget(p.now.index)
}

// turns limits how many use a processor at a time.
type turns chan struct{}

// pace returns a pace at which a turn is taken after each read, and given back before the next one. The caller must call rest
// at the end. The pace's error is ctx's.
func (t turns) pace(ctx context.Context) (pace Pace, rest func()) {
	taken := false
	rest = func() {
		if taken {
			taken = false
			<-t
		}
	}
	return func(read func() error) error {
		rest()
		err := read()
		select {
		case t <- struct{}{}:
			taken = true
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, rest
}

var _ hub.History = (*past)(nil)
