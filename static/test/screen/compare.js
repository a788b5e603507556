// Compares what two terminals show.

/**
 * @typedef {object} Difference
 * @property {string} what
 * @property {number} [row] of the first terminal's buffer
 * @property {number} [column]
 * @property {string} expected
 * @property {string} got
 *
 * @typedef {object} Comparison
 * @property {Difference[]} outside everything but the dumped screen
 * @property {Difference[]} inside cells of the dumped screen
 * @property {number} cells of the dumped screen; 0 if there is none
 * @property {Difference[]} hidden differences that only later output would show
 * @property {boolean} short the second terminal has too few lines to fill the screen
 * @property {number} rows compared, outside and inside
 */

const COLOURS = ['default', '16', '256', 'rgb'];
const FLAGS = ['Bold', 'Dim', 'Italic', 'Underline', 'Blink', 'Inverse', 'Invisible', 'Strikethrough', 'Overline'];
const UNDERLINES = ['', 'single', 'double', 'curly', 'dotted', 'dashed'];

// Bits of a cell's words (common/buffer/Constants.ts).
const COMBINED = 1 << 21;
const EXTENDED = 0x10000000;

/**
 * Compares what a late viewer's terminal shows with an early one's.
 * @param {import('@xterm/headless').Terminal} early
 * @param {import('@xterm/headless').Terminal} late
 * @param {{dumped: boolean, whole: boolean, moment?: boolean}} how dumped: a screen other than the alternate one was dumped; whole: all lines
 *   are kept; moment: the late one shows nothing but the alternate screen
 * @returns {Comparison}
 */
export function compare(early, late, { dumped, whole, moment = false }) {
  /** @type {Comparison} */
  const result = { outside: [], inside: [], cells: 0, hidden: [], short: false, rows: 0 };
  const [e, l] = [early._core, late._core];
  const differ = (to, what, expected, got) => {
    const [a, b] = [expected, got].map((v) => typeof v === 'string' ? v : JSON.stringify(v));
    if (a !== b) to.push({ what, expected: a, got: b });
  };
  differ(result.outside, 'size', [early.cols, early.rows], [late.cols, late.rows]);
  differ(result.outside, 'buffer', early.buffer.active.type, late.buffer.active.type);
  if (result.outside.length) return result;
  differ(result.outside, 'cursor hidden', e.coreService.isCursorHidden, l.coreService.isCursorHidden);

  const alternate = early.buffer.active.type === 'alternate';
  const [en, ln] = [e.buffers.normal, l.buffers.normal];
  const rows = early.rows;
  result.short = !whole && !moment && ln.ybase === 0 && (en.ybase > 0 || (alternate ? ln.savedY < en.savedY : ln.y < en.y));
  const bottom = en.lines.length - ln.lines.length;
  if (whole) differ(result.outside, 'rows of the normal buffer', en.lines.length, ln.lines.length);
  if (!alternate) {
    const shift = result.short ? en.ybase + en.y - ln.y : bottom;
    if (!result.short) differ(result.outside, 'cursor row', en.y, ln.y);
    differ(result.outside, 'cursor column', en.x, ln.x);
    const screen = dumped ? ln.ybase : Infinity;
    rowsOf(early, late, en, ln, shift, 0, screen, result.outside, true);
    if (dumped) {
      rowsOf(early, late, en, ln, shift, screen, Infinity, result.inside, false);
      result.cells = rows * early.cols;
    }
  } else {
    // The cursor's place on the normal screen is unknown, unless part of that screen is left.
    const shifts = result.short ? new Set([bottom, en.ybase + en.y - ln.y, en.ybase + en.savedY - ln.savedY]) : [bottom];
    let least;
    for (const shift of moment ? [] : shifts) {
      const found = [];
      rowsOf(early, late, en, ln, shift, 0, Infinity, found, true);
      if (!least || found.length < least.length) least = found;
    }
    result.outside.push(...least ?? []);
    const [ea, la] = [e.buffers.alt, l.buffers.alt];
    differ(result.outside, 'cursor row', ea.y, la.y);
    differ(result.outside, 'cursor column', ea.x, la.x);
    // xterm.js 6.0.0 keeps rows above an alternate screen that was once taller.
    rowsOf(early, late, ea, la, ea.ybase - la.ybase, la.ybase, Infinity, result.inside, false);
    result.cells = rows * early.cols;
  }
  result.rows = ln.lines.length;
  const [eh, lh] = [hidden(early, alternate, result.short), hidden(late, alternate, result.short)];
  for (const what of Object.keys(eh)) differ(result.hidden, what, eh[what], lh[what]);
  return result;
}

/** The invisible state of a terminal, by name. */
function hidden(terminal, alternate, short) {
  const core = terminal._core;
  const active = core.buffers.active;
  const input = core._inputHandler;
  const saved = (b) => short && b === core.buffers.normal ? 'short' : [b.savedX, b.savedY, pen(b.savedCurAttrData), charset(core, b.savedCharset)];
  return {
    pen: pen(input._curAttrData),
    link: link(core, input._curAttrData.extended.urlId),
    margins: [active.scrollTop, active.scrollBottom],
    'saved cursor': saved(active),
    'saved cursor of the normal screen': alternate ? saved(core.buffers.normal) : [],
    tabs: Object.keys(active.tabs).filter((x) => active.tabs[x] && Number(x) < terminal.cols),
    charset: [core._charsetService.glevel, [0, 1, 2, 3].map((g) => charset(core, core._charsetService._charsets[g]))],
    modes: core.coreService.modes,
    'private modes': core.coreService.decPrivateModes,
    mouse: [core.coreMouseService?.activeProtocol, core.coreMouseService?.activeEncoding],
    title: input._windowTitle,
  };
}

const pen = (a) => `${colour(a, 'Fg')} ${colour(a, 'Bg')} ${flags(a)}`;
const charset = (_, c) => c ? Object.entries(c).slice(0, 3).join(' ') : '';

function colour(cell, which) {
  const mode = cell[`get${which}ColorMode`]() >> 24;
  return mode ? `${COLOURS[mode]}:${cell[`get${which}Color`]().toString(mode === 3 ? 16 : 10)}` : 'default';
}

function flags(cell) {
  let all = FLAGS.filter((f) => cell[`is${f}`]()).join(' ').toLowerCase();
  if (cell.isUnderline() && cell.hasExtendedAttrs()) {
    const x = cell.extended;
    if (!x.urlId || x.underlineStyle !== 5) all += ` ${UNDERLINES[x.underlineStyle]}`;
    // After SGR 59, the default color, the color reads as white.
    const mode = x.underlineColor === 0x3ffffff ? 0 : x.underlineColor >>> 24 & 3;
    if (mode) all += ` ${COLOURS[mode]}:${(x.underlineColor & (mode === 3 ? 0xffffff : 0xff)).toString(mode === 3 ? 16 : 10)}`;
  }
  return all;
}

const link = (core, id) => id ? core._oscLinkService.getLinkData(id)?.uri ?? '' : '';

/**
 * Compares rows from..to of l with the rows of e that are shift rows lower.
 * @param {boolean} wraps whether it matters that a line continues in the next row
 */
function rowsOf(early, late, e, l, shift, from, to, differences, wraps) {
  for (let y = Math.max(from, -shift); y < Math.min(to, l.lines.length, e.lines.length - shift); y++) {
    const [a, b] = [e.lines.get(y + shift), l.lines.get(y)];
    if (wraps && a.isWrapped !== b.isWrapped && y > 0) {
      differences.push({ what: 'wrapped', row: y + shift, expected: `${a.isWrapped}`, got: `${b.isWrapped}` });
    }
    if (same(a, b)) continue;
    // Rows of the alternate screen keep the greatest width they ever had.
    for (let x = 0; x < early.cols; x++) {
      const [p, q] = [cell(early, a, x), cell(late, b, x)];
      if (p.key !== q.key) differences.push({ what: p.seen === q.seen ? 'unseen' : what(p, q), row: y + shift, column: x, expected: p.key, got: q.key });
    }
  }
}

/** Reports whether two rows are equal in every word and have nothing but words. */
function same(a, b) {
  if (a.length !== b.length) return false;
  const [p, q] = [a._data, b._data];
  for (let i = 0; i < a.length * 3; i += 3) {
    if (p[i] !== q[i] || p[i + 1] !== q[i + 1] || p[i + 2] !== q[i + 2]) return false;
    if (p[i] & COMBINED || p[i + 2] & EXTENDED) return false;
  }
  return true;
}

function cell(terminal, line, x) {
  const core = terminal._core;
  const c = line.loadCell(x, terminal.buffer.active.getNullCell());
  const width = c.getWidth();
  const chars = c.getChars() || (width === 1 ? ' ' : '');
  const fg = colour(c, 'Fg');
  const bg = colour(c, 'Bg');
  const attributes = flags(c);
  const url = c.hasExtendedAttrs() ? link(core, c.extended.urlId) : '';
  const key = `${JSON.stringify(chars)} ${width} fg ${fg} bg ${bg}${attributes && ` ${attributes}`}${url && ` ${url}`}`;
  // A blank's foreground and weight are invisible.
  const lines = c.isUnderline() || c.isStrikethrough() || c.isOverline();
  const seen = chars === ' ' && !lines && !url ? c.isInverse() ? `blank inverse ${fg} ${bg}` : `blank ${bg}` : key;
  return { key, seen, chars, width, fg, bg, attributes };
}

function what(p, q) {
  for (const w of ['chars', 'width', 'fg', 'bg', 'attributes']) if (p[w] !== q[w]) return w;
  return 'link';
}
