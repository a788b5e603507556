// @ts-check
/** @import { Line } from './lines.js' */
import { selectByDragging } from './drag-selection.js';
import { lineNodes } from './line-nodes.js';
import { findHits, hideRows } from './row-filter.js';
import { Scroller } from './scroller.js';
import { View } from './view.js';

// Rows of a block.
const BLOCK = 100;
// Rows kept while following. A paused log drops nothing: from MAX_PAUSED rows on, it
// holds new lines back, and beyond MAX_HELD lines it only counts the oldest.
const KEPT = 20_000;
const MAX_PAUSED = 60_000;
const MAX_HELD = 20_000;
// The browser takes seconds to draw towers of combining characters.
const TOWER = /\p{M}{9}/u;
const TOWERS = /(\p{M}{8})\p{M}+/gu;

/**
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {Block} block
 * @property {number} n the line's number; 0 for none
 * @property {number} ms when the line began; 0 if that is not known
 * @property {string} text
 * @property {string} fingerprint of all that the element shows; empty if the row never changes
 * @property {boolean} hit whether the filter finds the text
 * @property {boolean} filtered whether the filter hides the row
 * @property {boolean} hidden whether the element is hidden
 * @property {boolean} gap whether the row is a note in place of lines, and not a line
 *
 * @typedef {object} Block rows that the browser lays out only when they become visible
 * @property {HTMLElement} element
 * @property {number} rows
 * @property {number} size how many rows fit in
 * @property {number} shown how many of the rows the filter doesn't hide
 *
 * @typedef {object} Filter
 * @property {(text: string) => boolean} test reports whether a line is a hit
 * @property {boolean} only whether to hide the other lines
 * @property {number} context how many lines around a hit to show as well
 *
 * @typedef {(row: Row, before: Row | undefined) => string} TimeFormat what to show beside a row
 *
 * @typedef {object} LogCallbacks
 * @property {(following: boolean) => void} follow following began or ended
 * @property {() => void} changed other rows are visible, or the same ones elsewhere, or more
 *   lines are held back
 */

/**
 * Attaches nodes anew, without losing what is selected in them.
 * @param {HTMLElement} element that holds the nodes
 * @param {() => void} reattach
 */
function keepSelection(element, reattach) {
  const selection = getSelection();
  const { type, anchorNode, anchorOffset = 0, focusNode, focusOffset = 0 } = selection ?? {};
  reattach();
  if (type === 'Range' && anchorNode && focusNode && element.contains(anchorNode)) selection?.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
}

/** A line's text. @param {Line} line */
export const textOf = ({ runs }) => (runs.length === 1 ? runs[0].text : runs.map((r) => r.text).join(''));

/** Shows lines as text, one element for each line, and follows the end of the output. */
export class LogView extends View {
  #callbacks;
  #scroller;
  /** @type {Row[]} to read only */
  rows = [];
  /** @type {Block[]} */
  #blocks = [];
  #fixed = 0; // how many rows will not change any more
  /** @type {Line[]} lines held back, to read only; the last ones may still change */
  held = [];
  #heldTail = 0; // how many of the lines held back may still change
  /** How many lines were held back and then dropped. */
  dropped = 0;
  /** @type {Row | undefined} the line that the reader moved to by keyboard */
  cursor;
  #digits = 0; // of the largest line number
  /** @type {Filter | null} */
  #filter = null;
  /** How many rows are hits. */
  hits = 0;
  /** @type {[number, number] | null} the lines of the permalink */
  #linked = null;
  /** @type {TimeFormat | null} */
  #times = null;
  #caret = document.createElement('span'); // the cursor, after the text of an unfinished line
  /** @type {Row | undefined} the last row that had the caret */
  #caretRow;

  /**
   * @param {HTMLElement} element that scrolls
   * @param {LogCallbacks} callbacks
   */
  constructor(element, callbacks) {
    super(element);
    this.#callbacks = callbacks;
    this.#scroller = new Scroller(element, {
      follow: callbacks.follow,
      release: () => this.#release(),
      moved: callbacks.changed,
      inView: () => this.inView(),
      visible: (row) => this.#visible(/** @type {Row} */ (row)),
    });
    selectByDragging(element);
  }

  show() {
    super.show();
    if (this.#isFull) this.#callbacks.changed();
    else this.#settle(this.rows.length);
  }

  /** Whether the end stays in view when lines are added. */
  get following() {
    return this.#scroller.following;
  }

  /** @param {boolean} following */
  set following(following) {
    this.#scroller.following = following;
  }

  /** Whether the reader is far from the end, and would not see lines that are added. */
  get away() {
    return this.#scroller.away;
  }

  /**
   * Changes how rows look, but not where the reader is.
   * @param {() => void} change
   */
  keep(change) {
    this.#scroller.keep(change);
  }

  /**
   * Appends lines, in place of the tail of the last call.
   * @param {Line[]} done lines that will not change any more
   * @param {Line[]} tail lines that may
   */
  update(done, tail) {
    if (this.#isFull) {
      this.#hold(done, tail);
      return;
    }
    // Rows that would be dropped at once are not created.
    const skip = this.#scroller.still ? 0 : Math.max(done.length - KEPT, 0);
    if (skip) this.#drop(this.rows.length);
    let at = this.#fixed;
    const from = at;
    for (let i = skip; i < done.length; i++) this.#put(at++, done[i], true);
    this.#fixed = at;
    for (const line of tail) this.#put(at++, line);
    while (this.rows.length > at) this.#pop();
    this.#settle(from);
  }

  /**
   * Shows the cursor at the end of the last row, or nowhere.
   * @param {number | undefined} columns how far behind the text
   */
  set caret(columns) {
    const row = this.rows.at(-1);
    if (columns === undefined || !row || this.#isFull) {
      this.#caret.remove();
      return;
    }
    // In a flood, each row would flash a caret: in another row than before it appears later.
    this.#caret.className = row === this.#caretRow ? 'caret' : 'caret late';
    this.#caret.style.setProperty('--columns', String(columns));
    this.#caretRow = row;
    if (this.#caret.parentNode !== row.element) row.element.append(this.#caret);
  }

  /** Whether new lines must be held back. */
  get #isFull() {
    return this.#scroller.still && this.rows.length >= MAX_PAUSED;
  }

  /** How many rows come before the lines held back, which will replace the others. */
  get settled() {
    return this.held.length ? this.#fixed : this.rows.length;
  }

  /**
   * Keeps lines, to show them later.
   * @param {Line[]} done
   * @param {Line[]} tail
   */
  #hold(done, tail) {
    const lines = [...done, ...tail];
    this.#filterHeld(lines);
    this.held.splice(this.held.length - this.#heldTail, this.#heldTail, ...lines);
    this.#heldTail = tail.length;
    if (this.held.length > MAX_HELD) this.dropped += this.held.splice(0, this.held.length - MAX_HELD).length;
    this.#callbacks.changed();
  }

  /** Finds which lines the filter will hide, apart from the context of hits. @param {Line[]} lines */
  #filterHeld(lines) {
    const filter = this.#filter;
    for (const line of lines) line.filtered = filter?.only && !filter.test(textOf(line));
  }

  /** Shows the lines that were held back. */
  #release() {
    const { held, dropped } = this;
    const done = held.length - this.#heldTail;
    [this.held, this.#heldTail, this.dropped] = [[], 0, 0];
    if (dropped) this.gap(`${dropped.toLocaleString('en')} lines not shown`);
    if (held.length) this.update(held.slice(0, done), held.slice(done));
    this.#evict();
  }

  /**
   * Appends a note, for example in place of missing lines.
   * @param {string} words
   */
  gap(words) {
    this.#put(this.#fixed, { n: 0, ms: 0, runs: [{ text: words, style: '', link: '' }] });
    const row = this.rows[this.#fixed++];
    row.gap = true;
    row.element.className = 'gap';
    this.#settle(this.#fixed);
  }

  /** Begins another numbering: the lines so far keep their numbers, but no link means them any more. */
  renumber() {
    for (const line of this.held) [line.was, line.n] = [line.n || line.was, 0];
    for (const row of this.rows) {
      if (!row.n) continue;
      row.element.setAttribute('data-was', String(row.n));
      row.element.removeAttribute('data-n');
      row.n = 0;
    }
  }

  /** Changes the numbers of all lines that have one. @param {number} by */
  shift(by) {
    for (const line of this.held) if (line.n) line.n += by;
    for (const row of this.rows) {
      if (!row.n) continue;
      row.n += by;
      row.fingerprint = '';
      row.element.setAttribute('data-n', String(row.n));
      this.#widen(row.n);
      if (this.#linked) this.#highlightRow(row);
    }
  }

  /** Removes all rows. */
  clear() {
    this.#drop(this.rows.length);
    [this.#fixed, this.held, this.#heldTail, this.dropped] = [0, [], 0, 0];
    this.cursor = undefined;
    this.hits = 0;
    this.#callbacks.changed();
  }

  /**
   * Shows a time beside each line, or none.
   * @param {TimeFormat | null} times
   */
  set times(times) {
    this.#times = times;
    this.keep(() => {
      this.element.classList.toggle('timed', times !== null);
      this.rows.forEach((row, i) => this.#showTime(row, i));
    });
  }

  /**
   * Highlights the lines of a permalink, or none.
   * @param {[number, number] | null} range the first and the last line's number
   */
  highlight(range) {
    this.#linked = range;
    for (const row of this.rows) this.#highlightRow(row);
    this.#scroller.anchor();
  }

  /**
   * Scrolls to a line, and reports whether there is such a line.
   * @param {number} n
   */
  reveal(n) {
    const row = this.rows.find((r) => r.n === n);
    if (!row) return false;
    if (this.shows(row)) this.following = false;
    else this.goTo(row);
    return true;
  }

  /** Reports whether the whole of a row is in view, but for a fraction of a pixel. @param {Row} row */
  shows(row) {
    const [box, view] = [row.element.getBoundingClientRect(), this.element.getBoundingClientRect()];
    return box.height > 0 && box.top > view.top - 1 && box.bottom < view.bottom + 1;
  }

  /**
   * Scrolls to a row, even if the filter hides it.
   * @param {Row} row
   * @param {'center' | 'nearest'} [block] where in the view the row goes
   */
  goTo(row, block = 'center') {
    row.filtered = row.hidden = false;
    row.element.classList.remove('out');
    row.block.element.hidden = false;
    this.#scroller.goTo(row, block);
  }

  /** Reports whether any part of a row is in view. @param {Row} row */
  isInView(row) {
    const [box, view] = [row.element.getBoundingClientRect(), this.element.getBoundingClientRect()];
    return box.height > 0 && box.top < view.bottom && box.bottom > view.top;
  }

  /** Scrolls to the first row. */
  goToStart() {
    this.#scroller.goToStart();
  }

  /** The first visible row. */
  get top() {
    const { top } = this.element.getBoundingClientRect();
    return this.inView().find((row) => !row.filtered && row.element.getBoundingClientRect().bottom > top);
  }

  /** The last row of which at least half is visible: of the next one, the log's padding shows a bit. */
  get bottom() {
    const view = this.element.getBoundingClientRect();
    return this.inView().findLast((row) => {
      const { top, bottom } = row.element.getBoundingClientRect();
      return !row.filtered && (top + bottom) / 2 < view.bottom;
    });
  }

  /**
   * Finds hits, and hides other lines if the filter says so.
   * @param {Filter | null} filter
   */
  set filter(filter) {
    const reattach = (filter?.only ?? false) !== (this.#filter?.only ?? false);
    this.#filter = filter;
    this.#filterHeld(this.held);
    this.keep(() => {
      this.#applyFilter(0);
      // The browser takes a block that it doesn't lay out to be as high as it was when last
      // visible, unless the block has left the page since then.
      if (reattach) keepSelection(this.element, () => this.element.replaceChildren(...this.#blocks.map((b) => b.element)));
    });
    this.#callbacks.changed();
  }

  /** A row, or the next one that the filter doesn't hide; undefined if the row is gone. @param {Row} row */
  #visible(row) {
    if (row.element.isConnected && !row.filtered) return row;
    const at = this.rows.indexOf(row);
    if (at < 0) return undefined;
    for (let i = at; i < this.rows.length; i++) if (!this.rows[i].filtered) return this.rows[i];
    return this.rows.findLast((r) => !r.filtered);
  }

  /** The visible rows, and a few around them. */
  inView() {
    const { top, bottom } = this.element.getBoundingClientRect();
    /** @type {Row[]} */
    const rows = [];
    let at = 0;
    for (const block of this.#blocks) {
      const box = block.element.getBoundingClientRect();
      if (box.bottom >= top && box.top <= bottom) rows.push(...this.rows.slice(at, at + block.rows));
      at += block.rows;
    }
    return rows;
  }

  /** Makes room for a line's number. @param {number} n */
  #widen(n) {
    const digits = String(n).length;
    if (digits <= this.#digits) return;
    this.#digits = digits;
    this.element.style.setProperty('--digits', String(digits));
  }

  /**
   * Makes a row show a line.
   * @param {number} at the row's index, or one past the last row
   * @param {Line} line
   * @param {boolean} [fixed] whether the line will not change any more
   */
  #put(at, line, fixed) {
    let text = textOf(line);
    if (TOWER.test(text)) {
      line.runs = line.runs.map((r) => ({ ...r, text: r.text.replace(TOWERS, '$1') }));
      text = textOf(line);
    }
    const known = this.rows[at];
    let fingerprint = '';
    if (known || !fixed) {
      fingerprint = `${line.n} ${line.ms} ${text}`;
      if (line.runs.length > 1 || line.runs[0]?.style || line.runs[0]?.link) {
        fingerprint += line.runs.map((r) => `\n${r.text.length} ${r.style} ${r.link}`).join('');
      }
      if (known?.fingerprint === fingerprint) return;
    }
    const row = known ?? {
      element: document.createElement('div'), block: this.#lastBlock(), n: 0, ms: 0, text: '', fingerprint: '',
      hit: false, filtered: false, hidden: false, gap: false,
    };
    row.n = line.n;
    row.ms = line.ms;
    row.text = text;
    row.fingerprint = fingerprint;
    if (row.n) row.element.setAttribute('data-n', String(row.n));
    else row.element.removeAttribute('data-n');
    if (line.was) row.element.setAttribute('data-was', String(line.was));
    else if (known) row.element.removeAttribute('data-was');
    this.#widen(row.n);
    row.element.replaceChildren(...lineNodes(line, text));
    row.element.classList.toggle('cut', line.cut ?? false);
    this.#showTime(row, at);
    if (this.#linked) this.#highlightRow(row);
    if (known) return;
    row.block.element.append(row.element);
    row.block.rows++;
    this.rows.push(row);
  }

  /** The block that takes the next row. */
  #lastBlock() {
    let block = this.#blocks.at(-1);
    if (!block || block.rows >= BLOCK) {
      block = { element: document.createElement('div'), rows: 0, size: BLOCK, shown: BLOCK };
      block.element.className = 'block';
      this.#blocks.push(block);
      this.element.append(block.element);
      this.#scroller.observe(block.element);
    }
    return block;
  }

  /** Removes the last row. */
  #pop() {
    const row = this.rows.pop();
    if (!row) return;
    row.element.remove();
    if (--row.block.rows === 0) {
      this.#removeBlock(row.block);
      this.#blocks.pop();
    }
  }

  /** @param {Block} block */
  #removeBlock({ element }) {
    this.#scroller.unobserve(element);
    element.remove();
  }

  /**
   * Drops whole blocks from the start, and returns how many rows they had.
   * @param {number} count at most so many rows
   */
  #drop(count) {
    let dropped = 0;
    while (this.#blocks.length && dropped + this.#blocks[0].rows <= count) {
      const block = this.#blocks[0];
      dropped += block.rows;
      this.#removeBlock(block);
      this.#blocks.shift();
    }
    this.rows.splice(0, dropped);
    this.#fixed = Math.max(this.#fixed - dropped, 0);
    return dropped;
  }

  /** Drops the rows that are too many, and returns how many they were. */
  #evict() {
    return this.#scroller.still ? 0 : this.#drop(this.rows.length - KEPT);
  }

  /**
   * Does what must follow every change of rows.
   * @param {number} from the first row that may be new
   */
  #settle(from) {
    from -= this.#evict();
    if (this.#filter) this.#applyFilter(Math.max(from, 0));
    this.#callbacks.changed();
  }

  /** Finds hits, and hides rows and blocks. @param {number} from the first row that may be new */
  #applyFilter(from) {
    this.hits = findHits(this.rows, this.#filter, from);
    hideRows(this.#blocks, this.rows, this.#filter?.only ?? false);
  }

  /**
   * @param {Row} row
   * @param {number} at
   */
  #showTime(row, at) {
    if (this.#times && row.ms) row.element.setAttribute('data-t', this.#times(row, this.rows[at - 1]));
    else row.element.removeAttribute('data-t');
  }

  /** @param {Row} row */
  #highlightRow(row) {
    const on = this.#linked !== null && row.n >= this.#linked[0] && row.n <= this.#linked[1];
    row.element.classList.toggle('marked', on);
  }
}
