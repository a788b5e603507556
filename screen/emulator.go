package screen

import (
	imagecolor "image/color"
	"io"
	"reflect"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// An emulator is a terminal in memory, with one screen: what is written to it are
// text, movements, erasures and canonical SGR sequences.
type emulator interface {
	io.Writer
	Resize(cols, rows int)
	CursorPosition() uv.Position
	CellAt(x, y int) *uv.Cell
	// Pending tells whether the next character will begin the next row.
	Pending() bool
	// Scrolled tells whether rows have left at the top since it was last asked.
	Scrolled() bool
	// Close ends what the emulator started.
	Close() error
}

// unknown is a pen that no terminal has.
var unknown = pen{attrs: ^attrs(0)}

// penOf returns how a cell is drawn. Rapid blinking, which browsers' terminals don't
// know, stands for the overline, which the emulator doesn't.
func penOf(s *uv.Style) pen {
	p := pen{fg: colorOf(s.Fg), bg: colorOf(s.Bg), line: colorOf(s.UnderlineColor), underline: uint8(s.Underline)}
	for _, a := range [...]struct {
		theirs uint8
		ours   attrs
	}{
		{uv.AttrBold, bold}, {uv.AttrFaint, faint}, {uv.AttrItalic, italic}, {uv.AttrBlink, blink},
		{uv.AttrReverse, inverse}, {uv.AttrConceal, hidden}, {uv.AttrStrikethrough, struck}, {uv.AttrRapidBlink, overline},
	} {
		if s.Attrs&a.theirs != 0 {
			p.attrs |= a.ours
		}
	}
	return p
}

func colorOf(c imagecolor.Color) color {
	switch c := c.(type) {
	case nil:
		return 0
	case ansi.BasicColor:
		return indexed | color(c)
	case ansi.IndexedColor:
		return indexed | color(c)
	}
	r, g, b, _ := c.RGBA()
	return direct | color(r>>8)<<16 | color(g>>8)<<8 | color(b>>8)
}

// A vtEmulator is charmbracelet's. It starts a goroutine that drops its answers to
// queries; Close ends that, and waits.
type vtEmulator struct {
	*vt.Emulator
	phantom reflect.Value
	drained chan struct{}
}

func newVT(cols, rows int) emulator {
	e := &vtEmulator{Emulator: vt.NewEmulator(cols, rows), drained: make(chan struct{})}
	e.SetScrollbackSize(1)
	e.phantom = reflect.ValueOf(e.Emulator).Elem().FieldByName("atPhantom")
	go func() {
		defer close(e.drained)
		io.Copy(io.Discard, e.Emulator)
	}()
	return e
}

// Pending reads what the emulator shows to nobody, and does not always clear when
// the cursor moves.
func (e *vtEmulator) Pending() bool {
	return e.phantom.Bool() && e.CursorPosition().X == e.Width()-1
}

func (e *vtEmulator) Scrolled() bool {
	n := e.ScrollbackLen()
	e.ClearScrollback()
	return n > 0
}

// Close implements [io.Closer]. The emulator's own would race with Read.
func (e *vtEmulator) Close() error {
	err := e.InputPipe().(io.Closer).Close()
	<-e.drained
	return err
}
