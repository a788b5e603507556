// @ts-check
/** @import { IBuffer, IBufferCell, IMarker, Terminal } from '@xterm/xterm' */
/** @import { LinkRange, Run } from './cells.js' */
/** @import { Tab } from './tabs.js' */
import { appendRuns, contentWidth, wrappedWidth } from './cells.js';
import { onTab, visibleTabs } from './tabs.js';
import { MAX_SLICE } from './terminal-writer.js';

export const SCROLLBACK = MAX_SLICE + 1000;
// A longer line, in characters, is cut into several.
const MAX_LINE = 64 << 10;

/**
 * @typedef {object} Line a logical line: all rows that the terminal wrapped it into
 * @property {number} n the line's number, from 1; 0 if a cursor movement began the line
 * @property {number} ms when the line began, since 1970
 * @property {Run[]} runs
 * @property {boolean} [cut] the line was too long and continues in the next one
 * @property {number} [was] the line's number in another file, in place of n
 * @property {boolean} [filtered] whether the filter will hide the line, which is held back
 *
 * @typedef {{n: number, ms: number}} Start the number and time of the line that begins in a row
 */

/**
 * Reads a terminal's normal buffer as lines of text. Rows that scrolled off the screen
 * never change again, and are returned once, by done; the rows on the screen are the
 * tail. Row numbers count from the first row ever; y is a row's index in the buffer.
 */
export class Lines {
  #terminal;
  /** @type {IBuffer} */
  #buffer;
  /** @type {IBufferCell} */
  #cell;
  /** @type {IMarker | undefined} at the last row read, if the buffer still has that row */
  #marker;
  /** @type {number | undefined} the y of the first unread row, where there can be no marker */
  #firstUnreadRow;
  #rowsRead = 0; // rows that scrolled off the screen and were read
  #lowest = 0; // the lowest row in which a line began
  /** @type {Map<number, Start>} by unread row */
  #starts = new Map();
  /** @type {Map<number, LinkRange[]>} by unread row */
  #links = new Map();
  /** @type {Map<number, Map<number, Tab>>} by unread row, and by column */
  #tabs = new Map();
  #link = '';
  #linkRow = 0;
  #linkColumn = 0;
  /** @type {Line[]} */
  #done = [];
  /** @type {Line | undefined} a line of which only the first rows were read */
  #unfinished;

  #wasReset = false; // by the stream, in this slice
  #line = 1; // the number of the line that is being parsed
  #lineAfterSlice = 1; // by the slice's newlines
  #ms = 0;
  /** @type {Start[]} of the lines that began in this slice, in order */
  #sliceStarts = [];

  /** @param {Terminal} terminal with a scrollback of SCROLLBACK rows */
  constructor(terminal) {
    this.#terminal = terminal;
    this.#buffer = terminal.buffer.normal;
    this.#cell = this.#buffer.getNullCell();
    terminal.onLineFeed(() => this.#onLineFeed());
    terminal.buffer.onBufferChange(() => {
      if (this.#firstUnreadRow !== undefined) this.#setFirst(this.#firstUnreadRow);
    });
    terminal.parser.registerEscHandler({ final: 'c' }, () => {
      this.#wasReset = true;
      return false; // xterm.js does it
    });
    terminal.parser.registerCsiHandler({ final: 'J' }, ([what]) => {
      this.#onErase(Number(what));
      return false;
    });
    terminal.parser.registerOscHandler(8, (data) => this.#onHyperlink(data));
    onTab(terminal, (tab) => this.#onTab(tab));
    for (const final of 'KPX@LMST') {
      terminal.parser.registerCsiHandler({ final }, ([what]) => {
        this.#onRowsChange(final, Number(what));
        return false;
      });
    }
  }

  /** How many lines done() would return. */
  get waiting() {
    return this.#done.length;
  }

  /** The number of the line that is being parsed. */
  get line() {
    return this.#line;
  }

  /**
   * Starts over with an empty terminal.
   * @param {number} line the number of the line that comes next
   * @param {number} ms when that line began
   */
  restart(line, ms) {
    this.#line = this.#lineAfterSlice = line;
    this.#ms = ms;
    this.#startOver();
  }

  /**
   * Sets the number of the current line.
   * @param {number} line
   */
  renumber(line) {
    this.#line = this.#lineAfterSlice = line;
  }

  /** Changes the numbers of all lines that were not returned by done yet. @param {number} by */
  shift(by) {
    this.renumber(this.#line + by);
    const all = [...this.#starts.values(), ...this.#done, ...(this.#unfinished ? [this.#unfinished] : [])];
    for (const line of all) if (line.n) line.n += by;
  }

  /**
   * Must be called before the terminal parses a slice.
   * @param {Uint8Array} slice
   * @param {number} ms when the slice was written
   */
  begin(slice, ms) {
    this.#ms = ms;
    // A line's time is that of its first character, not of the newline before it.
    const last = this.#starts.get(this.#lowest);
    if (last && !contentWidth(this.#buffer.getLine(this.#lowest - this.#rowsRead + this.#firstUnread()), this.#cell)) last.ms = ms;
    for (let i = slice.indexOf(0x0a); i >= 0; i = slice.indexOf(0x0a, i + 1)) this.#lineAfterSlice++;
  }

  /** Must be called after the terminal parsed a slice. */
  end() {
    if (this.#line !== this.#lineAfterSlice) this.#correctNumbers();
    this.#sliceStarts = [];
    if (this.#wasReset) this.#startOver();
    const base = this.#buffer.baseY;
    const first = this.#firstUnread();
    if (first >= base) return;
    for (let y = first; y < base; y++) {
      this.#readRow(y);
      this.#starts.delete(this.#rowsRead + y - first);
      this.#links.delete(this.#rowsRead + y - first);
      this.#tabs.delete(this.#rowsRead + y - first);
    }
    this.#rowsRead += base - first;
    this.#setFirst(base);
  }

  /**
   * Resizes the terminal, which then wraps its lines again.
   * @param {number} cols
   * @param {number} rows
   */
  resize(cols, rows) {
    const buffer = this.#buffer;
    const isWrapped = (/** @type {number} */ y) => buffer.getLine(y)?.isWrapped ?? false;
    // A line that was partly read is wrapped again as a whole.
    let first = this.#firstUnread();
    while (this.#unfinished && first > 0 && isWrapped(first)) first--;
    const starts = [];
    const tabs = [];
    const cursor = buffer.baseY + buffer.cursorY;
    let above = 0; // unread lines above the cursor's line
    for (let y = first; y < buffer.length; y++) {
      if (y > first && isWrapped(y)) continue;
      const unfinished = y < this.#firstUnread() && this.#unfinished;
      starts.push(this.#starts.get(this.#rowNumber(y)) ?? (unfinished ? { n: unfinished.n, ms: unfinished.ms } : undefined));
      tabs.push(this.#tabs.get(this.#rowNumber(y)));
      if (y > first && y <= cursor) above++;
    }
    this.#unfinished = undefined;
    this.#terminal.resize(cols, rows);
    let y = buffer.baseY + buffer.cursorY;
    while (y > 0 && isWrapped(y)) y--;
    for (; above > 0 && y > 0; above--) {
      y--;
      while (y > 0 && isWrapped(y)) y--;
    }
    this.#setFirst(y);
    this.#starts.clear();
    this.#links.clear();
    this.#tabs.clear();
    for (let at = 0; y < buffer.length && at < starts.length; y++) {
      if (at > 0 && isWrapped(y)) continue;
      const [start, tabsOfRow] = [starts[at], tabs[at++]];
      if (start) this.#starts.set(this.#rowNumber(y), start);
      if (tabsOfRow) this.#tabs.set(this.#rowNumber(y), tabsOfRow);
    }
    this.#lowest = Math.max(this.#cursorRow(), ...this.#starts.keys());
  }

  /**
   * The lines that became unchangeable since the last call.
   * @returns {Line[]}
   */
  done() {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  /**
   * The lines on the screen, down to the last that is not blank.
   * @returns {Line[]}
   */
  tail() {
    let end = this.#buffer.baseY + this.#terminal.rows;
    const first = this.#firstUnread();
    while (end > first && !contentWidth(this.#buffer.getLine(end - 1), this.#cell)) end--;
    /** @type {Line[]} */
    const lines = this.#unfinished ? [structuredClone(this.#unfinished)] : [];
    for (let y = first; y < end; y++) this.#appendRow(y, lines);
    return lines;
  }

  /** How many columns the cursor is behind the text of the last line; undefined if it is elsewhere. */
  get caret() {
    const buffer = this.#buffer;
    if (this.#terminal.buffer.active !== buffer) return undefined;
    const y = buffer.baseY + buffer.cursorY;
    const width = this.#widthOf(y);
    if (!width || buffer.cursorX < width) return undefined;
    for (let below = y + 1; below < buffer.length; below++) if (contentWidth(buffer.getLine(below), this.#cell)) return undefined;
    return buffer.cursorX - width;
  }

  /** Makes the tail unchangeable, because the terminal is about to be emptied. */
  finish() {
    this.#done.push(...this.tail());
    this.#unfinished = undefined;
    this.#rowsRead += this.#terminal.rows;
  }

  /** Forgets all lines. */
  clear() {
    this.#done = [];
    this.#unfinished = undefined;
  }

  /** Corrects the numbers of the slice's lines: not every line feed was a newline. */
  #correctNumbers() {
    this.#line = this.#lineAfterSlice;
    this.#sliceStarts.forEach((start, i) => { start.n = i === this.#sliceStarts.length - 1 ? this.#line : 0; });
  }

  #startOver() {
    this.#wasReset = false;
    this.#buffer = this.#terminal.buffer.normal; // a reset replaces the buffers
    this.#unfinished = undefined;
    this.#starts.clear();
    this.#links.clear();
    this.#tabs.clear();
    this.#link = '';
    this.#setFirst(this.#buffer.baseY);
    this.#lowest = this.#rowsRead + this.#buffer.cursorY;
    this.#starts.set(this.#lowest, { n: this.#line, ms: this.#ms });
  }

  /**
   * Sets the first unread row. The marker is put on the row above it, because erasing
   * rows on the screen removes their markers.
   * @param {number} first the row's y
   */
  #setFirst(first) {
    this.#marker?.dispose();
    this.#marker = undefined;
    this.#firstUnreadRow = undefined;
    if (first === 0) return;
    // On the alternate screen, nothing scrolls here, and a marker would be on that screen.
    if (this.#terminal.buffer.active !== this.#buffer) this.#firstUnreadRow = first;
    else this.#marker = this.#terminal.registerMarker(first - 1 - this.#buffer.baseY - this.#buffer.cursorY);
  }

  /** The y of the first unread row; 0 if all rows that were read were dropped. */
  #firstUnread() {
    return this.#firstUnreadRow ?? (this.#marker?.line ?? -1) + 1;
  }

  /**
   * The number of a row of the buffer.
   * @param {number} y
   */
  #rowNumber(y) {
    return this.#rowsRead + y - this.#firstUnread();
  }

  /** The number of the cursor's row. */
  #cursorRow() {
    return this.#rowNumber(this.#buffer.baseY + this.#buffer.cursorY);
  }

  #onLineFeed() {
    const ended = this.#line++;
    if (this.#terminal.buffer.active !== this.#buffer) return;
    const row = this.#cursorRow();
    const y = this.#buffer.baseY + this.#buffer.cursorY;
    if (!this.#starts.has(row - 1) && y > 0 && contentWidth(this.#buffer.getLine(y - 1), this.#cell)) {
      this.#starts.set(row - 1, { n: ended, ms: this.#ms }); // a cursor movement began the line
    }
    if (row <= this.#lowest && contentWidth(this.#buffer.getLine(this.#buffer.baseY + this.#buffer.cursorY), this.#cell)) return;
    this.#lowest = Math.max(row, this.#lowest);
    const start = { n: this.#line, ms: this.#ms };
    this.#starts.set(row, start);
    this.#sliceStarts.push(start);
  }

  /**
   * Rows were erased: text written there next begins another line.
   * @param {number} what the parameter of ED
   */
  #onErase(what) {
    if (this.#terminal.buffer.active !== this.#buffer || what !== 2 && (what !== 0 || this.#buffer.cursorX > 0)) return;
    const from = what === 2 ? this.#rowNumber(this.#buffer.baseY) : this.#cursorRow();
    for (const row of this.#starts.keys()) if (row >= from) this.#starts.delete(row);
    this.#dropTabs(from);
    this.#lowest = Math.min(this.#lowest, from - 1);
  }

  /**
   * A hyperlink begins or ends. The buffer doesn't say which cells are linked.
   * @param {string} data of OSC 8
   */
  #onHyperlink(data) {
    if (this.#terminal.buffer.active === this.#buffer) {
      const [row, column] = [this.#cursorRow(), this.#buffer.cursorX];
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

  /** @param {Tab} tab */
  #onTab(tab) {
    if (this.#terminal.buffer.active !== this.#buffer) return;
    const row = this.#cursorRow();
    const tabs = this.#tabs.get(row) ?? new Map();
    tabs.set(tab.from, tab);
    this.#tabs.set(row, tabs);
  }

  /**
   * Characters or rows were erased, moved or inserted.
   * @param {string} final of the sequence that does it
   * @param {number} what its parameter
   */
  #onRowsChange(final, what) {
    if (this.#terminal.buffer.active !== this.#buffer || !this.#tabs.size) return;
    const row = this.#cursorRow();
    if ('ST'.includes(final)) this.#tabs.clear();
    else if ('LM'.includes(final)) this.#dropTabs(row);
    else for (const from of this.#tabs.get(row)?.keys() ?? []) if (final === 'K' && what > 0 || from >= this.#buffer.cursorX) this.#tabs.get(row)?.delete(from);
  }

  /** Forgets the tabs in rows. @param {number} first of the rows */
  #dropTabs(first) {
    for (const row of this.#tabs.keys()) if (row >= first) this.#tabs.delete(row);
  }

  /** A row's tabs. @param {number} y */
  #tabsOf(y) {
    const line = this.#buffer.getLine(y);
    return line ? visibleTabs(this.#tabs.get(this.#rowNumber(y)), line, this.#cell) : [];
  }

  /** How many columns of a row have text, tabs at its end included. @param {number} y */
  #widthOf(y) {
    return Math.max(contentWidth(this.#buffer.getLine(y), this.#cell), this.#tabsOf(y).at(-1)?.to ?? 0);
  }

  /** @param {number} y */
  #readRow(y) {
    const lines = this.#unfinished ? [this.#unfinished] : [];
    this.#appendRow(y, lines);
    this.#unfinished = this.#buffer.getLine(y + 1)?.isWrapped ? lines.pop() : undefined;
    if (this.#unfinished && this.#unfinished.runs.reduce((n, r) => n + r.text.length, 0) > MAX_LINE) {
      lines.push({ ...this.#unfinished, cut: true });
      this.#unfinished = { n: 0, ms: this.#unfinished.ms, runs: [] };
    }
    this.#done.push(...lines);
  }

  /**
   * Appends a row to the last line, or as another line.
   * @param {number} y
   * @param {Line[]} lines
   */
  #appendRow(y, lines) {
    const row = this.#rowNumber(y);
    const line = this.#buffer.getLine(y);
    if (!line) return;
    let into = lines.at(-1);
    if (!into || !line.isWrapped) {
      const { n, ms } = this.#starts.get(row) ?? { n: row === this.#cursorRow() ? this.#line : 0, ms: 0 };
      const isAhead = row === this.#lowest && !contentWidth(line, this.#cell); // it has not begun
      into = { n, ms: isAhead ? 0 : ms, runs: [] };
      lines.push(into);
    }
    const next = this.#buffer.getLine(y + 1);
    const width = next?.isWrapped ? wrappedWidth(line, next, this.#cell) : this.#widthOf(y);
    const tabs = this.#tabsOf(y);
    let before = 0;
    for (let at = y; tabs.length && line.isWrapped; at--) {
      const [above, below] = [this.#buffer.getLine(at - 1), this.#buffer.getLine(at)];
      if (!above || !below?.isWrapped) break;
      before += wrappedWidth(above, below, this.#cell);
    }
    appendRuns(into.runs, line, { width, links: this.#links.get(row), tabs, before }, this.#cell);
  }
}
