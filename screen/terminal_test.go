package screen

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

// A view is what is written to an early viewer's terminal and to a late viewer's.
type view struct {
	Cols  int    `json:"cols"`
	Rows  int    `json:"rows"`
	Early []byte `json:"early"`
	Late  []byte `json:"late"`
}

// viewOf returns the view of a viewer that joins after in.
func viewOf(t *testing.T, cols, rows int, in string) view {
	t.Helper()
	s := New()
	defer s.Close()
	s.History = func(end int64) ([]byte, State, bool) { return []byte(in)[:end], State{}, true }
	s.Resize(cols, rows)
	s.Write([]byte(in))
	p := s.Picture()
	if p.To == 0 {
		t.Errorf("%q: no picture", in)
	}
	return view{cols, rows, []byte(in), append(append([]byte(in[:p.From]), p.Prelude...), in[p.To:]...)}
}

// run runs a script of the page's tests with input, and decodes what it prints into output.
func run(t *testing.T, script string, input, output any) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "../static/test/screen/"+script)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if e, ok := err.(*exec.ExitError); ok && bytes.Contains(e.Stderr, []byte("ERR_MODULE_NOT_FOUND")) {
		t.Fatal("make wsrun installs what is missing")
	} else if ok {
		t.Fatalf("%v: %s", err, e.Stderr)
	}
	if err := json.Unmarshal(out, output); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
}

// A late viewer's terminal, xterm.js as in the page, shows what an early viewer's does.
func TestLateTerminalShowsTheSame(t *testing.T) {
	const alternate = "a\r\n\x1b[?1049h\x1b[H"
	full := strings.Repeat("x", 20)
	cases := []struct{ name, in string }{
		{"colors", alternate + "\x1b[31mab\x1b[2;3Hc"},
		{"more than the page repeats", alternate + "x\x1b[1001b|\x1b[2H1\r\n2\x1b[1001L\x1b[1001M\x1b[1001S\x1b[1001T\x1b[1001I\x1b[1001Z|"},
		{"as many as the page repeats", alternate + "x\x1b[1000b|\x1b[2H1\r\n2\x1b[1000S3\x1b[1000I\x1b[1000Z|"},
		{"repeated: wide", alternate + "漢\x1b[3b|"},
		{"repeated: wide, over the edge", alternate + "x漢\x1b[11b|"},
		{"repeated: with marks", alternate + "e\u0301\x1b[2b|"},
		{"repeated: line drawing", alternate + "\x1b(0q\x1b[3b\x1b(B|"},
		{"repeated: after a sequence", alternate + "q\x1b[m\x1b[3b|\x1b[2b\x1b[2b"},
		{"repeated: after a control character", alternate + "abc\b\x1b[2b|\r\n\x1b[3b"},
		{"repeated: nothing", alternate + "\x1b[3b|"},
		{"more than 32 parameters", alternate + "\x1b[" + strings.Repeat("0;", 34) + "31mx"},
		{"origin", alternate + "\x1b[2;6r\x1b[?6h\x1b[Hab\rcd"},
		{"origin: movements", alternate + "\x1b[2;5r\x1b[?6h\x1b[2;3Hx\x1b[Ay\x1b[3Gz\x1b[1;1H\x1b[Bu\x1b[2dv" +
			"\x1b[Cw\x1b[Ds\x1b[Et\x1b[Fr\x1b[aq\x1b[ep\x1b[9;9fo"},
		{"origin: set and unset", alternate + "\x1b[2;5r\x1b[3;3H\x1b[?6hx\x1b[3;3H\x1b[?6ly\x1b[?6h\x1b[2;2H\x1b7\x1b[H\x1b8z\x1b[3;4rw"},
		{"origin: erased", alternate + "1\r\n2\r\n3\r\n4\x1b[2;4r\x1b[?6h\x1b[2;1H\x1b[Jx"},
		{"margins", alternate + "\x1b[2;4rx\x1b[99;99Hy\x1b[9Az\x1b[H\x1b[9Bw\x1b[3;99rv\x1b[5;5ru\x1b[4;2Hp\x1b[r!"},
		{"soft reset", alternate + "\x1b[2;3r\x1b[2;2H\x1b7\x1b[3;1H\x1b[!p\nx\ny\nz\x1b8w"},
		{"soft reset: links", alternate + "\x1b]8;;http://a\aab\x1b[!pcd"},
		{"restored by leaving no alternate screen", "a\x1b[H\x1b[2Jtop\x1b[2;2Hx\x1b7\x1b[5;5Hy\x1b[?1049lZ\x1b[m"},
		{"restored: a link is not", alternate + "\x1b7\x1b]8;;http://a\aab\x1b8cd\x1b]8;;\ae\x1b8f"},
		{"scrolled with a background", alternate + "1\r\n2\x1b[44m\x1b[2S\x1b[mx"},
		{"scrolled down with a background", alternate + "1\r\n2\x1b[42m\x1b[2Ty"},
		{"lines inserted with a background", alternate + "1\r\n2\x1b[44m\x1b[L\x1b[mx\x1b[H\x1b[42m\x1b[My" +
			"\r\n\r\n\r\n\r\n\n\x1b[41m\x1bM\x1b[H\x1bM"},
		{"blanks that are characters", alternate + "a\u00a0b\u3000c\u2003d"},
		{"new lines", alternate + "\x1b[20hab\ncd\x1b[20l\nef"},
		{"national characters", alternate + "\x1b(K@[\\]{|}~\x1b(Rx#@\x1b(Ze\x1b)Q\x0e^`\x0f\x1b(=_#"},
		{"national characters with marks", alternate + "\x1b(K[\u0301]"},
		{"no width, with nothing before", alternate + "\u200bx\x1b[3;3H\u0301\u200b漢\u200by"},
		{"no width, after a sequence", alternate + "ab\x1b[1m\u0301c"},
		{"no width, after a control character", alternate + "ab\b\u0301c\r\n\u0301d漢\r\u200b"},
		{"deleted", alternate + "a\x7f\u0301\x7fb\x7f\x1b[2b"},
		{"other widths", alternate + "🇩🇪x🛜🟰y👍🏽z\r\n\u2630\u4dc0\U0001d300a\u00adb\u1160c"},
		{"wide at the edge", alternate + "\x1b[1;19H漢x\x1b[3;20H漢y"},
		{"wide, half of it overwritten", alternate + "漢字\x1b[1;2Hx\x1b[2;1H漢\x1b[2;1Hy"},
		{"wide, without wrapping", alternate + "\x1b[?7l" + full + "漢x\x1b[2;19H漢字\x1b[my\x1b[3;20H漢\x1b[?7hz"},
		{"pending", alternate + full},
		{"pending: then held", alternate + full + "漢"},
		{"pending: wide", alternate + full[2:] + "漢\x1b[31m"},
		{"pending: with a mark", alternate + full[1:] + "e\u0301\x1b[31m"},
		{"pending: with a character without width", alternate + full + "\x1b[m\u0301"},
		{"pending: with a character without width, then another", alternate + full + "\x1b[m\u0301y"},
		{"pending: erased", alternate + full + "\x1b[1Ky\x1b[2;20Hx\x1b[Jz\x1b[1;20Hx\x1b[1Jw"},
		{"pending: other sequences", alternate + full + "\x1bMx\x1b[2;20Hx\x1bDx\x1b[3;20Hx\x1b[@x\x1b[3;20Hx\x1b[Px" +
			"\x1b[3;20Hx\x1b[Xx\x1b[3;20Hx\x1b[Sx\x1b[4;20Hx\x1b[Ix\x1b[3;20Hx\x1b[Zx"},
		{"pending: other sequences, behind wide ones", alternate + full[2:] + "漢\x1bMx\x1b[2;19H漢\x1bDx\x1b[3;19H漢\x1b[@x" +
			"\x1b[3;19H漢\x1b[Sx\x1b[4;19H漢\x1b[Ix\x1b[3;19H漢\x1b[!px"},
		{"pending: moved", alternate + full + "\x1b[Dy\x1b[2;20Hx\x1b[A\x1b[Bz\x1b[3;20Hx\x1b[dw\x1b[4;20Hx\x1b[Cv"},
		{"pending: control characters", alternate + full + "\ta\r\n" + full + "\bb\r\n" + full + "\a\vc\r\n" + full + "\x00d"},
		{"pending: control characters, behind wide ones", alternate + full[2:] + "漢\ta\r\n" + full[2:] + "漢\b\ab\r\n" + full[2:] +
			"漢\a\vc\r\n" + full[2:] + "漢\ad"},
		{"lines inserted and deleted within margins", alternate + "\x1b[2;4r\x1b[4;1Ha\nb\nc\x1bMd\x1b[Se\x1b[2;5H\x1b[Mf\x1b[2Lg\x1b[5;5H\x1b[Lh"},
		{"control characters within sequences", alternate + "\x1b[1\nmx\x1b[3\t;1\rHy\x1b\n7z\x1b]2;a\nb\a|"},
		{"the cursor taken along behind the last column", "abc\x1b[?47h\x1b[2;20Hx\x1b[?47ly"},
		{"a normal screen that scrolls", "a\x1b[H\x1b[2J1\r\n2\x1b[Hx\x1b[6;1H6\x1bD7"},
		{"a normal screen that scrolls by C1", "a\x1b[H\x1b[2J1\r\n2\x1b[Hx\x1b[6;1H6\u00857"},
		{"the cursor taken along", "abc\x1b[?1047hxy\x1b[?1047ldef\x1b[?47hgh"},
		{"the cursor taken along, at the end", "abc\x1b[?1047hxy\x1b[?1047l"},
		{"the cursor taken along by another mode", "abc\x1b[?1049hxy\x1b[?47lz"},
		{"the cursor restored by another mode", "a\x1b7bc\x1b[?47hxy\x1b[?1049lz"},
	}
	views := make([]view, len(cases))
	for i, c := range cases {
		views[i] = viewOf(t, 20, 6, c.in)
	}
	var found [][]string
	run(t, "differs.js", views, &found)
	for i, differences := range found {
		if len(differences) > 0 {
			t.Errorf("%s: %q is shown by %q\n%s", cases[i].name, cases[i].in, views[i].Late, strings.Join(differences, "\n"))
		}
	}
}

// Each character has as many columns as in the page, whose table of marks is the browser's.
func TestColumns(t *testing.T) {
	var ranges [][3]int
	run(t, "columns.js", nil, &ranges)
	for _, r := range ranges {
		for c := rune(r[0]); c <= rune(r[1]); c++ {
			newer := r[2] == 0 && unicode.Is(unicode.Cn, c)
			if n := columns(c); n != r[2] && !newer && c != '\U0001171e' { // no longer a mark
				t.Errorf("%U has %d columns, in the page %d", c, n, r[2])
			}
		}
	}
}

// What the emulator draws is as wide as it is in the page.
func TestCells(t *testing.T) {
	p := newPicture(New().emulators, 4, 1)
	defer p.Close()
	for c := rune(0xa0); c <= unicode.MaxRune; c++ {
		if c >= 0x20000 {
			c += 100 // ideographs, and few others
		}
		width := columns(c)
		if width == 0 || c >= 0xd800 && c < 0xe000 {
			continue
		}
		p.Write([]byte("\r"))
		p.text([]byte(string(c) + "\u0301"))
		p.flush()
		got, _ := stoodFor(p.at(0, 0).Content)
		if x := p.CursorPosition().X; x != width || got != string(c)+"\u0301" {
			t.Errorf("%U: cursor at %d, %q", c, x, got)
		}
	}
}
