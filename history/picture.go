package history

import (
	"encoding/binary"
	"errors"
	"sort"

	"wsrun/broadcaster"
	"wsrun/screen"
)

const (
	// pictureBytes is how far apart pictures are, in bytes of output.
	pictureBytes = 512 << 10
	// pictureShare is the part of the bound, as a divisor, that a picture may have.
	pictureShare = 16
	// maxDrawn is how many pictures may wait for a slow disk.
	maxDrawn = 2
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
	drawn   []Picture // to be stored with the next block
	last    int64     // offset of the last one
}

// A pictureEntry says where a picture is on the tape.
type pictureEntry struct {
	offset int64 // of the picture
	pos    int64
	size   int32
}

// NeedsPicture reports whether the log wants a picture of a program that fills the screen at offset. There
// is no need of one before the log has begun to store output. It doesn't wait for the disk.
func (l *Log) NeedsPicture(offset int64) bool {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.index.begun && l.ended == 0 && len(l.pictures.drawn) < maxDrawn && (l.pictures.last == 0 || offset-l.pictures.last >= pictureBytes)
}

// AddPicture adds a picture, which must be after those added before. It doesn't wait for the disk.
func (l *Log) AddPicture(p screen.Picture) {
	prelude := append(p.Before.Append(nil), p.Prelude...)
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.index.begun && l.ended == 0 && p.To > l.pictures.last && int64(len(prelude)) <= l.store.o.Bytes/pictureShare {
		l.pictures.drawn = append(l.pictures.drawn, Picture{p.To, broadcaster.Resize{Cols: p.Cols, Rows: p.Rows}, prelude})
		l.pictures.last = p.To
	}
}

// Picture returns the last picture at or before offset that is kept. The error is ErrGone if there is none.
func (l *Log) Picture(offset int64) (Picture, error) {
	l.store.mu.Lock()
	all := l.pictures.entries
	i := sort.Search(len(all), func(i int) bool { return all[i].offset > offset }) - 1
	if i < 0 {
		l.store.mu.Unlock()
		return Picture{}, ErrGone
	}
	at := all[i]
	l.store.mu.Unlock()
	text, err := l.store.record(l, at.pos, at.size)
	if err != nil {
		return Picture{}, err
	}
	d := decoder{p: text}
	p := Picture{Offset: at.offset, Size: broadcaster.Resize{Cols: int(d.uvarint()), Rows: int(d.uvarint())}}
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

// add adds the entry of a picture.
func (p *pictures) add(e pictureEntry) { p.entries = append(p.entries, e) }

// drop drops the entries before base on the tape.
func (p *pictures) drop(base int64) {
	n := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].pos >= base })
	if p.entries = p.entries[n:]; len(p.entries) == 0 {
		p.entries = nil
	}
}
