package screen

import (
	"fmt"
	"testing"
)

// A cursor behind the last column is in a column of a wider terminal.
func TestResizeOfAPendingWrap(t *testing.T) {
	for _, in := range []string{"\x1b[2;20Hx", "\x1b[2;19H漢", "\x1b[2;20Hx\x1b[31m", "\x1b[2;20Hx\x1b[K", "\x1b[?7l\x1b[2;18Hxyz\x1b[?7h", "\x1b[?7l\x1b[2;17Hwxyz\x1b[m"} {
		s := screenOf(t, "\x1b[?1049h"+in, 100)
		s.Resize(30, 5)
		fmt.Fprint(s, "y\x1b[m")
		if at := s.picture.CursorPosition(); at.X != 21 || at.Y != 1 {
			t.Errorf("%q: cursor at %v", in, at)
		}
	}
}
