package logs

import (
	"bytes"
	"context"
	"io"
	"iter"
	"math"
	"os"
	"sync"
	"time"

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
	hub    *hub.Hub // of stream
	joined bool     // viewers may have joined before the stream's beginning was known
	run    *hub.Run // the last one that begins after the stream's beginning; nil if there is none

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
	later    bool          // other output comes before it in the stream
}

// readable reports whether the section can be read. Between two files, it can't. Of a file to which the name has returned, it isn't
// known how many lines come before those that are new.
func (s section) readable() bool {
	return s.file != nil && s.index != nil && !(s.later && s.from > s.begin.Offset)
}

func newPast(l *Logs, path string, stream *broadcaster.Broadcaster) *past {
	return &past{logs: l, path: path, stream: stream, changed: make(chan struct{})}
}

// emit handles an event of [filetail.Follow], which is about to be placed in the stream.
func (p *past) emit(event any) {
	switch e := event.(type) {
	case filetail.Start:
		if p.joined {
			p.beginAnew(e.Offset)
			return
		}
		s, _ := p.current()
		p.stream.Begin(p.logs.epochs.of(s.id, s.file), e.Offset)
		p.begin(history.Place{Line: 1}, e.Offset)
	case filetail.Truncated:
		s, _ := p.current()
		p.logs.epochs.renew(s.id)
		p.logs.indexes.drop(p.path)
		p.beginAnew(0)
	case filetail.Rotated:
		p.beginAnew(e.Offset)
	}
}

// beginAnew begins a section, and a run, at the end of the stream, where the file is read from an offset.
func (p *past) beginAnew(offset int64) {
	p.stream.Flush()
	cursor, start := p.stream.Open(0)
	at := history.Place{Offset: start.Offset, Line: cursor.Line()}
	p.begin(history.Place{Offset: at.Offset - offset, Line: at.Line}, at.Offset)
	s, _ := p.current()
	p.run = &hub.Run{
		Epoch: p.logs.epochs.of(s.id, s.file), Begin: history.Place{Offset: at.Offset - offset, Line: at.Line}, From: at.Offset, Exact: offset == 0,
	}
	p.hub.BeginRun(*p.run)
}

// read makes the past read a file: the one that it has read before, opened again, or another, for which begin follows; or none, if f
// is nil.
func (p *past) read(f *os.File) {
	id := identify(f)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.note(); id != p.now.id || id == (identity{}) {
		p.now.index = nil // until begin
	}
	p.now.file, p.now.id = f, id
}

// note remembers how far the file was read. mu must be held.
func (p *past) note() {
	end := p.stream.Stats().End
	parts, _, ok := p.stream.Range(max(end-fingerprintBytes, p.now.from), end)
	if ok && p.now.index != nil {
		p.logs.epochs.read(p.now.id, end-p.now.begin.Offset, bytes.Join(parts, nil))
	}
}

// begin begins a section at the beginning of the file, a place in the stream. from is where it is read from.
func (p *past) begin(at history.Place, from int64) {
	before, _ := p.current()
	s := section{file: before.file, id: before.id, begin: at, from: from, numbered: from == at.Offset, later: p.run != nil || p.joined}
	info, err := s.file.Stat()
	if err == nil {
		s.index, err = p.logs.indexes.of(p.path, s.file, info)
	}
	if err != nil {
		s.file = nil
	}
	switch {
	case s.numbered && at == history.Place{Line: 1}:
		p.hub.SetExact(true)
	case !s.readable():
		p.hub.GiveUpNumbers()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
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

// Fill implements [hub.History]: it finds out which number the first line in the ring has, and then keeps the index near the ring.
func (p *past) Fill(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select { // before Changed is called, so that a stream that is being written doesn't have to wake a reader each time
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		s, changed := p.current()
		grown := p.stream.Changed()
		if s.readable() {
			p.fill(ctx, s)
		}
		pause.Reset(fillPause)
		if s, _ := p.current(); s.readable() && !s.numbered {
			continue // reading has failed, or the file is another one
		}
		select {
		case <-changed:
			pause.Reset(0)
		case <-grown:
		case <-ctx.Done():
			return
		}
	}
}

// fillPause is how long Fill waits until it reads what has been added to a file, or tries again.
const fillPause = time.Second

// fill reads the file up to where the ring begins. The first time, it then sets the stream's line numbers.
func (p *past) fill(ctx context.Context, s section) {
	pace, rest := p.logs.indexing.pace(ctx)
	defer rest()
	file := pacedFile{s.file, pace, p.logs.stopping}
	if s.numbered {
		s.index.extend(file, p.stream.Stats().Oldest-s.begin.Offset, func(*scan) bool { return false })
		return
	}
	at, err := s.index.at(file, s.from, s.from)
	if p.setNumbers(s, at.line, p.check(s, err)) {
		p.stream.Emit(hub.Numbers{})
	}
}

// setNumbers sets the number of the line in which a section is read from, unless there was an error or another section has begun. It
// reports whether it did.
func (p *past) setNumbers(s section, line int64, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.index != s.index || err != nil {
		p.hub.GiveUpNumbers()
		return false
	}
	p.stream.SetLine(line)
	p.now.numbered = true
	p.hub.SetExact(true)
	return true
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

// check returns the error of a History for a result of reading the file: content that isn't in the file any more
// is gone, even if reading it was no error. What the follower has read last shows that.
func (p *past) check(s section, err error) error {
	switch {
	case err == errAhead:
		return history.ErrAhead
	case err != nil:
		return history.ErrGone
	}
	end := p.stream.Stats().End
	parts, _, ok := p.stream.Range(max(end-fingerprintBytes, s.from), end)
	want := bytes.Join(parts, nil)
	last := make([]byte, len(want))
	if _, err := s.file.ReadAt(last, end-s.begin.Offset-int64(len(last))); err != nil && err != io.EOF || !ok || !bytes.Equal(last, want) {
		return history.ErrGone
	}
	return nil
}

// First implements [hub.History].
func (p *past) First() (history.Place, bool) {
	s, _ := p.current()
	return s.begin, s.readable() && s.numbered
}

// End implements [hub.History]: where the ring begins, if the file has what comes before; otherwise the stream's beginning.
func (p *past) End() history.Place {
	offset, line := p.stream.Snapshot().Oldest()
	if first, ok := p.First(); ok && first.Offset <= offset {
		return history.Place{Offset: offset, Line: line}
	}
	return history.Place{}
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
	return history.Place{Offset: s.begin.Offset + at, Line: n}, p.check(s, err)
}

// LineFrom implements [hub.History].
func (p *past) LineFrom(offset int64) (history.Place, error) {
	s, err := p.numberedAt(math.MaxInt64)
	if err != nil || offset <= s.begin.Offset {
		return s.begin, err
	}
	at, line, err := s.index.lineFrom(s.file, p.size(s), offset-s.begin.Offset)
	return history.Place{Offset: s.begin.Offset + at, Line: s.begin.Line + line - 1}, p.check(s, err)
}

// State implements [hub.History].
func (p *past) State(offset int64) (screen.State, []byte, error) {
	s, err := p.numberedAt(offset)
	if err != nil {
		return screen.State{}, nil, err
	}
	at, err := s.index.at(s.file, p.size(s), offset-s.begin.Offset)
	return at.state, at.head, p.check(s, err)
}

// At implements [broadcaster.History].
func (p *past) At(offset int64) (broadcaster.Start, bool) {
	s, err := p.numberedAt(offset)
	if err != nil {
		return broadcaster.Start{}, false
	}
	at, err := s.index.at(s.file, p.size(s), offset-s.begin.Offset)
	return broadcaster.Start{Offset: offset, Line: s.begin.Line + at.line - 1}, p.check(s, err) == nil
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
	if err := p.check(s, err); err != nil {
		return 0, err
	}
	return n, nil
}

// Read implements [broadcaster.History]. What happened to the file there is told no more.
func (p *past) Read(offset, _ int64) (broadcaster.Past, <-chan struct{}) {
	s, _ := p.current()
	if !s.readable() || offset < s.begin.Offset {
		return broadcaster.Past{}, nil
	}
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
