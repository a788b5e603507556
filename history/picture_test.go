package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"wsrun/broadcaster"
	"wsrun/screen"
)

// Any moment of a full-screen program can be shown: a picture, and the output that follows it, make the
// same screen as all the output.
func TestPictures(t *testing.T) {
	t.Parallel()
	const size, cols, rows = 3 << 20, 80, 24
	rng := rand.New(rand.NewPCG(14, 14))
	s := newStore(t, t.TempDir(), 64<<20)
	b := follow(t, s, broadcaster.Options{Lines: 100, Bytes: 100_000})
	b.Emit(broadcaster.Resize{Cols: cols, Rows: rows})
	scr := newScreen(cols, rows)
	defer scr.Close()
	var output []byte
	var drawn []int64
	write := func(p []byte) {
		output = append(output, p...)
		scr.Write(p)
		b.Write(p)
		if at := scr.Offset(); scr.Full() && b.log.NeedsPicture(at) {
			b.log.AddPicture(scr.Picture())
			drawn = append(drawn, at)
		}
	}
	for n := 0; len(output) < 200_000; n++ {
		write(fmt.Appendf(nil, "line %d\r\n", n))
	}
	b.settle()
	write([]byte("\x1b[?1049h\x1b[2J"))
	for n := 0; len(output) < size; n++ {
		write(fmt.Appendf(nil, "\x1b[%d;%dH\x1b[%dm%x", 1+rng.IntN(rows), 1+rng.IntN(cols), 30+rng.IntN(8), rng.IntN(1<<30)))
		if n%10_000 == 0 {
			b.settle()
		}
	}
	b.end()
	if len(drawn) < (size-200_000)/pictureBytes {
		t.Fatalf("pictures at %v", drawn)
	}
	if _, err := b.log.Picture(drawn[0] - 1); err != ErrGone {
		t.Errorf("before the first picture: %v", err)
	}
	for range 5 {
		offset := drawn[0] + rng.Int64N(int64(len(output))-drawn[0])
		p, err := b.log.Picture(offset)
		if err != nil || p.Offset > offset || offset-p.Offset > pictureBytes+1000 || p.Size != (broadcaster.Resize{Cols: cols, Rows: rows}) {
			t.Fatalf("Picture(%d) = one of %v at %d, %v", offset, p.Size, p.Offset, err)
		}
		got, want := newScreen(cols, rows), newScreen(cols, rows)
		got.Write(p.Prelude)
		got.Write(output[p.Offset:offset])
		want.Write(output[:offset])
		if g, w := got.Picture(), want.Picture(); string(g.Text) != string(w.Text) || len(g.Text) == 0 {
			t.Errorf("at %d: %q\nwant %q", offset, g.Text, w.Text)
		}
		got.Close()
		want.Close()
	}
}

func newScreen(cols, rows int) *screen.Screen {
	s := screen.New()
	s.Resize(cols, rows)
	return s
}

// Pictures don't pile up while the disk takes none.
func TestFewPicturesWaitForTheDisk(t *testing.T) {
	t.Parallel()
	b := follow(t, newStore(t, t.TempDir(), 64<<20), broadcaster.Options{Lines: 100, Bytes: 100_000})
	for n := range 20_000 {
		fmt.Fprintf(b, "line %d\n", n)
	}
	b.settle()
	const size = 64 << 10
	at, waiting := int64(1<<20), 0
	for ; b.log.NeedsPicture(at) && at < 100<<20; at += pictureBytes {
		b.log.AddPicture(screen.Picture{To: at, Prelude: make([]byte, size)})
		waiting += size
	}
	if waiting != maxDrawn {
		t.Errorf("%d bytes of pictures wait", waiting)
	}
}

// A program that fills the screen has pictures before the log stores anything, and they are stored with the output there.
func TestPicturesBeforeTheLogBegins(t *testing.T) {
	t.Parallel()
	b := follow(t, newStore(t, t.TempDir(), 64<<20), broadcaster.Options{Lines: 100_000, Bytes: 4 << 20})
	for at := int64(pictureBytes); at < 2<<20; at += pictureBytes {
		if !b.log.NeedsPicture(at) {
			t.Fatalf("no picture is needed at %d", at)
		}
		b.log.AddPicture(screen.Picture{To: at, Prelude: fmt.Appendf(nil, "at %d", at)})
	}
	check := func(when string) {
		t.Helper()
		for at := int64(pictureBytes); at < 2<<20; at += pictureBytes {
			p, err := b.log.Picture(at + 1)
			found, ok := b.log.HasPicture(at + 1)
			if want := fmt.Sprintf("at %d", at); err != nil || !ok || found != at || p.Offset != at || !bytes.HasSuffix(p.Prelude, []byte(want)) {
				t.Errorf("%s, the picture for %d is at %d: %q, %v", when, at, p.Offset, p.Prelude, err)
			}
		}
	}
	check("in memory")
	if len(b.log.pictures.drawn) == 0 {
		t.Error("the log has begun")
	}
	for n := range 400_000 {
		fmt.Fprintf(b, "line %d\n", n)
	}
	b.end()
	check("on disk")
	if n := len(b.log.pictures.drawn); n > 0 || b.log.pictures.size > 0 {
		t.Errorf("%d pictures of %d bytes are in memory, too", n, b.log.pictures.size)
	}
}
