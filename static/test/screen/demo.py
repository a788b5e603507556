"""What a curses program can draw: colours, wide and combining characters, lines, a
scrolling region, insertion and deletion. Each key is the next scene."""
import curses
import locale

locale.setlocale(locale.LC_ALL, "")


def colours(w):
    for n in range(min(curses.COLORS, 256)):
        curses.init_pair(n % (curses.COLOR_PAIRS - 1) + 1, n, (n * 7 + 3) % curses.COLORS)
        w.addstr(n // 16 % curses.LINES, n % 16 * 4, f"{n:3} ", curses.color_pair(n % (curses.COLOR_PAIRS - 1) + 1))


def attributes(w):
    names = "A_BOLD A_DIM A_ITALIC A_UNDERLINE A_BLINK A_REVERSE A_INVIS A_STANDOUT".split()
    for y, name in enumerate(names):
        w.addstr(y + 1, 2, f"{name} text  with blanks", getattr(curses, name))
        w.addstr(y + 1, 40, "with bold", getattr(curses, name) | curses.A_BOLD)


def wide(w):
    texts = ["漢字かな交じり文", "한국어 텍스트", "e\u0301a\u0308o\u0302 combining", "→ ← ↑ ↓ ─│┌┐└┘ ░▒▓█", "ｗｉｄｅ", "naïve Привет Ελληνικά"]
    for y, text in enumerate(texts):
        w.addstr(y + 2, y * 3, text, curses.color_pair(y + 1))
    w.addstr(4, 7, "x")  # half of a wide character is written over


def lines(w):
    w.border()
    sub = w.derwin(10, 30, 3, 5)
    sub.box()
    w.hline(15, 2, curses.ACS_HLINE, 40)
    w.vline(3, 50, curses.ACS_VLINE, 10)
    for x, c in enumerate([curses.ACS_DIAMOND, curses.ACS_CKBOARD, curses.ACS_DEGREE, curses.ACS_PLMINUS, curses.ACS_PI, curses.ACS_LTEE]):
        w.addch(17, 4 + 2 * x, c)


def region(w):
    w.idlok(True)
    w.scrollok(True)
    w.setscrreg(5, 14)
    for n in range(40):
        w.addstr(14, 0, f"scrolls {n}")
        w.scroll(1)
        w.refresh()
    w.scroll(-3)
    w.addstr(5, 0, "came down")


def insertion(w):
    for y in range(12):
        w.addstr(y + 3, 0, f"line {y} " + "abcdefghij" * 4)
    w.refresh()
    w.move(6, 0)
    w.insertln()
    w.refresh()
    w.move(9, 0)
    w.deleteln()
    w.refresh()
    for x in range(10):
        w.move(4, 5)
        w.insch("+")
        w.refresh()
        w.move(5, 5)
        w.delch()
        w.refresh()


def last(w):
    w.bkgd(" ", curses.color_pair(4))
    w.erase()
    w.addstr(curses.LINES - 1, 0, "the last row" * 3)
    w.insstr(curses.LINES - 1, curses.COLS - 1, "]")
    curses.curs_set(0)


def main(w):
    curses.use_default_colors()
    for scene in (colours, attributes, wide, lines, region, insertion, last):
        w.erase()
        w.move(0, 0)
        scene(w)
        w.refresh()
        w.getch()


curses.wrapper(main)
