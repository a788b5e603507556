// @ts-check
/** @import { IBuffer, IBufferCell, IBufferLine, IMarker, Terminal } from '@xterm/xterm' */
import { SLICE } from './feed.js';
import { styleOf } from './style.js';

export const SCROLLBACK = SLICE + 1000;
// A line longer than this is cut into several, in characters.
const LONGEST = 64 << 10;

/**
 * @typedef {object} Run characters that look alike
 * @property {string} text
 * @property {string} style by which style.js knows it; empty for none
 * @property {string} link empty for none
 *
 * @typedef {object} Line a logical line: rows that the terminal wrapped are one
 * @property {number} n its absolute number, from 1; 0 if a movement of the cursor began it
 * @property {number} ms when it began, since 1970
 * @property {Run[]} runs
 * @property {boolean} [cut] it was too long, and goes on in the next one
 */

/**
 * Reads a terminal's normal buffer as lines of text. Rows that scrolled out of its
 * view never change again, and are given once; those in view are the tail.
 */
export class Lines {
  #terminal;
  /** @type {IBuffer} */
  #buffer;
  /** @type {IBufferCell} */
  #cell;
  /** @type {IMarker | undefined} the last row that is taken; none if none is kept */
  #mark;
  /** @type {number | undefined} stands for #mark where there can be none */
  #firstRow;
  #taken = 0; // rows, ever: row numbers below are counted from the first ever
  #newest = 0; // the lowest row that was begun
  /** @type {Map<number, {n: number, ms: number}>} of the rows that are not taken */
  #begun = new Map();
  /** @type {Map<number, {from: number, to: number, link: string}[]>} columns, by row */
  #links = new Map();
  #link = '';
  #linkRow = 0;
  #linkColumn = 0;
  /** @type {Line[]} */
  #done = [];
  /** @type {Line | undefined} whose first rows are taken and the others are not */
  #open;

  #reset = false; // the stream has reset the terminal
  #line = 1; // that is being parsed
  #lineAfter = 1; // the slice
  #ms = 0;
  /** @type {{n: number, ms: number}[]} rows begun by this slice, in order */
  #fresh = [];

  /** @param {Terminal} terminal with a scrollback of SCROLLBACK rows */
  constructor(terminal) {
    this.#terminal = terminal;
    this.#buffer = terminal.buffer.normal;
    this.#cell = this.#buffer.getNullCell();
    terminal.onLineFeed(() => this.#lineFeed());
    terminal.buffer.onBufferChange(() => {
      if (this.#firstRow !== undefined) this.#place(this.#firstRow);
    });
    terminal.parser.registerEscHandler({ final: 'c' }, () => {
      this.#reset = true;
      return false; // xterm.js does it
    });
    terminal.parser.registerCsiHandler({ final: 'J' }, ([what]) => {
      this.#erased(Number(what));
      return false;
    });
    terminal.parser.registerOscHandler(8, (data) => this.#osc8(data));
  }

  /** How many lines done() would give. */
  get waiting() {
    return this.#done.length;
  }

  /** The number of the line that is being parsed. */
  get line() {
    return this.#line;
  }

  /**
   * Begins anew, with an empty terminal, at the line of the given number.
   * @param {number} line
   * @param {number} ms
   */
  restart(line, ms) {
    this.#line = this.#lineAfter = line;
    this.#ms = ms;
    this.#rebase();
  }

  /**
   * Goes on with the line of the given number.
   * @param {number} line
   */
  renumber(line) {
    this.#line = this.#lineAfter = line;
  }

  /**
   * To be called before a slice is parsed.
   * @param {Uint8Array} slice
   * @param {number} ms when it came
   */
  begin(slice, ms) {
    this.#ms = ms;
    // A line's time is that of its first character, not of the newline before it.
    const last = this.#begun.get(this.#newest);
    if (last && !this.#width(this.#buffer.getLine(this.#newest - this.#taken + this.#first()))) last.ms = ms;
    for (let i = slice.indexOf(0x0a); i >= 0; i = slice.indexOf(0x0a, i + 1)) this.#lineAfter++;
  }

  /** To be called after a slice was parsed. */
  end() {
    if (this.#line !== this.#lineAfter) this.#correct();
    this.#fresh = [];
    if (this.#reset) this.#rebase();
    const base = this.#buffer.baseY;
    const first = this.#first();
    if (first >= base) return;
    for (let y = first; y < base; y++) {
      this.#take(y);
      this.#begun.delete(this.#taken + y - first);
      this.#links.delete(this.#taken + y - first);
    }
    this.#taken += base - first;
    this.#place(base);
  }

  /**
   * Resizes the terminal, which wraps its lines anew.
   * @param {number} cols
   * @param {number} rows
   */
  resize(cols, rows) {
    const buffer = this.#buffer;
    const isWrapped = (/** @type {number} */ y) => buffer.getLine(y)?.isWrapped ?? false;
    // A line that is partly taken is in the buffer as a whole.
    let first = this.#first();
    while (this.#open && first > 0 && isWrapped(first)) first--;
    const begun = [];
    const cursor = buffer.baseY + buffer.cursorY;
    let above = 0; // lines above the cursor's that are not taken
    for (let y = first; y < buffer.length; y++) {
      if (y > first && isWrapped(y)) continue;
      begun.push(this.#begun.get(this.#rowOf(y)) ?? (y < this.#first() && this.#open ? { n: this.#open.n, ms: this.#open.ms } : undefined));
      if (y > first && y <= cursor) above++;
    }
    this.#open = undefined;
    this.#terminal.resize(cols, rows);
    let y = buffer.baseY + buffer.cursorY;
    while (y > 0 && isWrapped(y)) y--;
    for (; above > 0 && y > 0; above--) {
      y--;
      while (y > 0 && isWrapped(y)) y--;
    }
    this.#place(y);
    this.#begun.clear();
    this.#links.clear();
    for (let at = 0; y < buffer.length && at < begun.length; y++) {
      if (at > 0 && isWrapped(y)) continue;
      const it = begun[at++];
      if (it) this.#begun.set(this.#rowOf(y), it);
    }
    this.#newest = Math.max(this.#row(), ...this.#begun.keys());
  }

  /**
   * The lines that will not change any more since the last call.
   * @returns {Line[]}
   */
  done() {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  /**
   * The lines in view, down to the last that is not blank.
   * @returns {Line[]}
   */
  tail() {
    let end = this.#buffer.baseY + this.#terminal.rows;
    const first = this.#first();
    while (end > first && !this.#width(this.#buffer.getLine(end - 1))) end--;
    /** @type {Line[]} */
    const lines = this.#open ? [structuredClone(this.#open)] : [];
    for (let y = first; y < end; y++) this.#read(y, lines);
    return lines;
  }

  /** Makes the tail unchangeable: the terminal is about to be emptied. */
  finish() {
    this.#done.push(...this.tail());
    this.#open = undefined;
    this.#taken += this.#terminal.rows;
  }

  /** Forgets everything. */
  clear() {
    this.#done = [];
    this.#open = undefined;
  }

  /** Mends the numbers of the slice's rows: not all that fed a line was a newline. */
  #correct() {
    this.#line = this.#lineAfter;
    this.#fresh.forEach((begun, i) => { begun.n = i === this.#fresh.length - 1 ? this.#line : 0; });
  }

  #rebase() {
    this.#reset = false;
    this.#buffer = this.#terminal.buffer.normal; // a reset makes new ones
    this.#open = undefined;
    this.#begun.clear();
    this.#links.clear();
    this.#link = '';
    this.#place(this.#buffer.baseY);
    this.#newest = this.#taken + this.#buffer.cursorY;
    this.#begun.set(this.#newest, { n: this.#line, ms: this.#ms });
  }

  /**
   * Sets the first row that is not taken. The one above it is marked, since erasing
   * rows in view removes their marks.
   * @param {number} first
   */
  #place(first) {
    this.#mark?.dispose();
    this.#mark = undefined;
    this.#firstRow = undefined;
    if (first === 0) return;
    this.#mark = this.#terminal.registerMarker(first - 1 - this.#buffer.baseY - this.#buffer.cursorY);
    if (!this.#mark) this.#firstRow = first; // on the alternate screen, where nothing scrolls
  }

  /** The first row that is not taken; 0 when those that are were dropped. */
  #first() {
    return this.#firstRow ?? (this.#mark?.line ?? -1) + 1;
  }

  /**
   * A row of the buffer, counted from the first ever.
   * @param {number} y
   */
  #rowOf(y) {
    return this.#taken + y - this.#first();
  }

  /** The cursor's row, counted from the first ever. */
  #row() {
    return this.#rowOf(this.#buffer.baseY + this.#buffer.cursorY);
  }

  #lineFeed() {
    const ended = this.#line++;
    if (this.#terminal.buffer.active !== this.#buffer) return;
    const row = this.#row();
    const y = this.#buffer.baseY + this.#buffer.cursorY;
    if (!this.#begun.has(row - 1) && y > 0 && this.#width(this.#buffer.getLine(y - 1))) {
      this.#begun.set(row - 1, { n: ended, ms: this.#ms }); // begun by a movement of the cursor
    }
    if (row <= this.#newest && this.#width(this.#buffer.getLine(this.#buffer.baseY + this.#buffer.cursorY))) return;
    this.#newest = Math.max(row, this.#newest);
    const begun = { n: this.#line, ms: this.#ms };
    this.#begun.set(row, begun);
    this.#fresh.push(begun);
  }

  /**
   * Rows are erased, and what is written there next is another line.
   * @param {number} what of ED
   */
  #erased(what) {
    if (this.#terminal.buffer.active !== this.#buffer || what !== 2 && (what !== 0 || this.#buffer.cursorX > 0)) return;
    const from = what === 2 ? this.#rowOf(this.#buffer.baseY) : this.#row();
    for (const row of this.#begun.keys()) if (row >= from) this.#begun.delete(row);
    this.#newest = Math.min(this.#newest, from - 1);
  }

  /**
   * A hyperlink's begin or end: the buffer does not tell which cells are linked.
   * @param {string} data
   */
  #osc8(data) {
    if (this.#terminal.buffer.active === this.#buffer) {
      const [row, column] = [this.#row(), this.#buffer.cursorX];
      if (this.#link) {
        for (let y = this.#linkRow; y <= row; y++) {
          const from = y === this.#linkRow ? this.#linkColumn : 0;
          const to = y === row ? column : this.#terminal.cols;
          const links = this.#links.get(y) ?? [];
          links.push({ from, to, link: this.#link });
          this.#links.set(y, links);
        }
      }
      [this.#linkRow, this.#linkColumn] = [row, column];
    }
    const uri = data.slice(data.indexOf(';') + 1);
    this.#link = /^https?:\/\//i.test(uri) ? uri : '';
    return false; // xterm.js handles it as well
  }

  /** @param {number} y */
  #take(y) {
    const lines = this.#open ? [this.#open] : [];
    this.#read(y, lines);
    this.#open = this.#buffer.getLine(y + 1)?.isWrapped ? lines.pop() : undefined;
    if (this.#open && this.#open.runs.reduce((n, r) => n + r.text.length, 0) > LONGEST) {
      lines.push({ ...this.#open, cut: true });
      this.#open = { n: 0, ms: this.#open.ms, runs: [] };
    }
    this.#done.push(...lines);
  }

  /**
   * Reads a row to the end of lines.
   * @param {number} y
   * @param {Line[]} lines
   */
  #read(y, lines) {
    const row = this.#rowOf(y);
    const line = this.#buffer.getLine(y);
    if (!line) return;
    let into = lines.at(-1);
    if (!into || !line.isWrapped) {
      const { n, ms } = this.#begun.get(row) ?? { n: row === this.#row() ? this.#line : 0, ms: this.#ms };
      into = { n, ms, runs: [] };
      lines.push(into);
    }
    const wraps = this.#buffer.getLine(y + 1)?.isWrapped;
    this.#runs(line, wraps ? this.#whole(line, y) : this.#width(line), this.#links.get(row), into.runs);
  }

  /**
   * The columns of a row that goes on in the next one: all, but for the last where a
   * wide character did not fit.
   * @param {IBufferLine} line
   * @param {number} y
   */
  #whole(line, y) {
    const last = line.getCell(line.length - 1, this.#cell);
    const empty = last?.getCode() === 0 && last.getWidth() === 1;
    const wide = this.#buffer.getLine(y + 1)?.getCell(0, this.#cell)?.getWidth() === 2;
    return empty && wide ? line.length - 1 : line.length;
  }

  /**
   * The columns of a row up to the last that shows something.
   * @param {IBufferLine | undefined} line
   */
  #width(line) {
    if (!line) return 0;
    let x = line.length;
    for (; x > 0; x--) {
      const cell = line.getCell(x - 1, this.#cell);
      if (!cell) continue;
      const code = cell.getCode();
      if (code !== 0 && code !== 32 || cell.getWidth() === 0) break;
      if (!cell.isAttributeDefault() && (!cell.isBgDefault() || cell.isInverse() || code === 32 && cell.isUnderline())) break;
    }
    return x;
  }

  /**
   * Adds the runs of a row's first columns.
   * @param {IBufferLine} line
   * @param {number} width
   * @param {{from: number, to: number, link: string}[] | undefined} links
   * @param {Run[]} runs
   */
  #runs(line, width, links, runs) {
    let from = 0;
    let style = '';
    let link = '';
    /** @param {number} to */
    const add = (to) => {
      if (to === from) return;
      const text = line.translateToString(false, from, to);
      const last = runs.at(-1);
      if (last && last.style === style && last.link === link) last.text += text;
      else runs.push({ text, style, link });
      from = to;
    };
    for (let x = 0; x < width; x++) {
      const cell = line.getCell(x, this.#cell);
      if (!cell || cell.getWidth() === 0) continue;
      const itsStyle = cell.isAttributeDefault() ? '' : styleOf(cell);
      // Where text was written over a link, its underline is gone.
      const itsLink = links && cell.isUnderline() ? links.find((l) => x >= l.from && x < l.to)?.link ?? '' : '';
      if (itsStyle === style && itsLink === link) continue;
      add(x);
      [style, link] = [itsStyle, itsLink];
    }
    add(width);
  }
}
