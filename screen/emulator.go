package screen

import (
	imagecolor "image/color"
	"io"
	"reflect"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// An emulator is a terminal in memory with one screen. What is written to it is limited to
// text, movements, erasures and canonical SGR sequences.
type emulator interface {
	io.Writer
	Resize(cols, rows int)
	CursorPosition() uv.Position
	CellAt(x, y int) *uv.Cell
	// Pending reports whether the next character will go to the start of the next row.
	Pending() bool
	// Scrolled reports whether rows have left the screen at the top since the last call.
	Scrolled() bool
	// Close ends what the emulator has started.
	Close() error
}

// unknown is a pen that no terminal has.
var unknown = pen{attrs: ^attrs(0)}

// penOf returns how a cell is drawn. The emulator has no overline, so rapid blinking, which
// browsers' terminals don't have, stands for it.
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

// colorOf returns the color of a cell's style.
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

// A vtEmulator is charmbracelet's emulator. It starts a goroutine that drops the emulator's
// answers to queries; Close ends the goroutine and waits for it. If the goroutine panics,
// panicked is called.
type vtEmulator struct {
	*vt.Emulator
	phantom reflect.Value
	drained chan struct{}

	panicked func(v any)
}

func newVT(cols, rows int, panicked func(v any)) emulator {
	e := &vtEmulator{Emulator: vt.NewEmulator(cols, rows), drained: make(chan struct{}), panicked: panicked}
	e.SetScrollbackSize(1)
	e.phantom = reflect.ValueOf(e.Emulator).Elem().FieldByName("atPhantom")
	go func() {
		defer close(e.drained)
		defer e.stopAnswers()
		io.Copy(io.Discard, e.Emulator)
	}()
	return e
}

// stopAnswers contains a panic of the goroutine. It makes the emulator's answers fail, which
// would otherwise wait for the goroutine.
func (e *vtEmulator) stopAnswers() {
	if v := recover(); v != nil {
		e.panicked(v)
		e.InputPipe().(io.Closer).Close()
	}
}

// Pending reads a private field of the emulator, which the emulator does not always clear
// when the cursor moves.
func (e *vtEmulator) Pending() bool {
	return e.phantom.Bool() && e.CursorPosition().X == e.Width()-1
}

// Scrolled implements emulator.
func (e *vtEmulator) Scrolled() bool {
	n := e.ScrollbackLen()
	e.ClearScrollback()
	return n > 0
}

// Close implements [io.Closer]. It doesn't use the emulator's own Close, which would race
// with Read.
func (e *vtEmulator) Close() error {
	err := e.InputPipe().(io.Closer).Close()
	<-e.drained
	return err
}
