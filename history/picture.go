package history

import (
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// pictureBytes is how far apart pictures are, in bytes of output.
	pictureBytes = 512 << 10
	// pictureShare is the part of the bound, as a divisor, that a picture may have.
	pictureShare = 16
	// maxDrawn is how much the pictures may take, in bytes, that are in memory: until output from that place is stored.
	maxDrawn = 1 << 20
)

// A Picture is the exact screen of a full-screen program at an offset.
type Picture struct {
	Offset  int64
	Size    broadcaster.Resize
	Prelude []byte // makes a new terminal show the screen, and brings it into its state
}

// pictures are those of one log. The store's mu guards them.
type pictures struct {
	entries []pictureEntry
	drawn   []Picture // to be stored with the output there
	size    int       // of drawn, in bytes
	last    int64     // offset of the last one
}

// A pictureEntry says where a picture is on the tape.
type pictureEntry struct {
	offset int64 // of the picture
	pos    int64
	size   int32
}

// NeedsPicture reports whether the log wants a picture of a program that fills the screen at offset. It doesn't wait for
// the disk.
func (l *Log) NeedsPicture(offset int64) bool {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.ended == 0 && l.pictures.size < maxDrawn && (l.pictures.last == 0 || offset-l.pictures.last >= pictureBytes)
}

// AddPicture adds a picture, which must be after those added before. It doesn't wait for the disk.
func (l *Log) AddPicture(p screen.Picture) {
	prelude := append(p.Before.Append(nil), p.Prelude...)
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.ended == 0 && p.To > l.pictures.last && int64(len(prelude)) <= l.store.o.Bytes/pictureShare {
		l.pictures.drawn = append(l.pictures.drawn, Picture{p.To, broadcaster.Resize{Cols: p.Cols, Rows: p.Rows}, prelude})
		l.pictures.size += len(prelude)
		l.pictures.last = p.To
	}
}

// HasPicture returns the offset of the last picture at or before offset that is kept. It doesn't wait for the disk.
func (l *Log) HasPicture(offset int64) (at int64, ok bool) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if p, ok := l.pictures.drawnAt(offset); ok {
		return p.Offset, true
	}
	e, ok := l.pictures.storedAt(offset)
	return e.offset, ok
}

// Picture returns the last picture at or before offset that is kept. The error is ErrGone if there is none.
func (l *Log) Picture(offset int64) (Picture, error) {
	l.store.mu.Lock()
	p, inMemory := l.pictures.drawnAt(offset)
	at, stored := l.pictures.storedAt(offset)
	l.store.mu.Unlock()
	switch {
	case inMemory:
		return p, nil
	case !stored:
		return Picture{}, ErrGone
	}
	text, err := l.store.record(l, at.pos, at.size)
	if err != nil {
		return Picture{}, err
	}
	d := decoder{p: text}
	p = Picture{Offset: at.offset, Size: broadcaster.Resize{Cols: int(d.uvarint()), Rows: int(d.uvarint())}}
	if p.Prelude = d.p; d.bad {
		return p, errors.Join(ErrGone, errCorrupt)
	}
	return p, nil
}

// append appends the picture as it is on disk.
func (p *Picture) append(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.Size.Cols)), uint64(p.Size.Rows))
	return append(b, p.Prelude...)
}

// drawnAt returns the last picture in memory at or before offset. mu must be held.
func (p *pictures) drawnAt(offset int64) (Picture, bool) {
	i := sort.Search(len(p.drawn), func(i int) bool { return p.drawn[i].Offset > offset }) - 1
	if i < 0 {
		return Picture{}, false
	}
	return p.drawn[i], true
}

// storedAt returns the entry of the last picture on disk at or before offset. mu must be held.
func (p *pictures) storedAt(offset int64) (pictureEntry, bool) {
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].offset > offset }) - 1
	if i < 0 {
		return pictureEntry{}, false
	}
	return p.entries[i], true
}

// drawnUpTo returns the pictures in memory up to an offset. mu must be held.
func (p *pictures) drawnUpTo(end int64) []Picture {
	return p.drawn[:sort.Search(len(p.drawn), func(i int) bool { return p.drawn[i].Offset > end })]
}

// forget drops the first n pictures in memory. mu must be held.
func (p *pictures) forget(n int) {
	for _, one := range p.drawn[:n] {
		p.size -= len(one.Prelude)
	}
	p.drawn = slices.Delete(p.drawn, 0, n)
}

// add adds the entry of a picture.
func (p *pictures) add(e pictureEntry) { p.entries = append(p.entries, e) }

// drop drops the entries before base on the tape.
func (p *pictures) drop(base int64) {
	n := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].pos >= base })
	if p.entries = p.entries[n:]; len(p.entries) == 0 {
		p.entries = nil
	}
}
