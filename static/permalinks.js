// @ts-check
/** @import { LogView } from './log.js' */
import { $, notice, number } from './dom.js';

/** Links to lines: #L123, or #L10-L20. */
export class Permalinks {
  #log;
  #sought = 0; // the number of a line to go to once it is there

  /** @param {LogView} log */
  constructor(log) {
    this.#log = log;
    addEventListener('hashchange', () => this.#readHash());
    $('log').addEventListener('mousedown', (e) => {
      if (e.button !== 0 || !numberAt(e)) return;
      e.preventDefault(); // a number is no text to select, even with Shift
      $('log').focus({ preventScroll: true });
    });
    $('log').addEventListener('click', (e) => {
      const n = numberAt(e);
      if (!n) return;
      const first = Number(/^#L(\d+)/.exec(location.hash)?.[1] ?? n);
      this.#mark(e.shiftKey && first !== n ? `#L${Math.min(first, n)}-L${Math.max(first, n)}` : `#L${n}`);
    });
    this.#readHash();
  }

  /** Makes a link to the cursor's line, or else to the current hit, or to the first visible line. */
  make() {
    const row = this.#log.cursor ?? this.#log.rows.find((r) => r.element.classList.contains('current')) ?? this.#log.top;
    if (!row?.n) return;
    this.#mark(`#L${row.n}`);
  }

  /** Links to no line any more. */
  clear() {
    history.replaceState(null, '', location.pathname + location.search);
    this.#highlight();
    this.forget();
  }

  /** Goes to no line that is still to come: the reader is looking at another place. */
  forget() {
    this.#sought = 0;
  }

  /** Links to lines that the reader is looking at. @param {string} hash */
  #mark(hash) {
    history.replaceState(null, '', hash);
    this.#highlight();
    this.#log.following = false;
  }

  /** Goes to the first of the lines that the address links to, or to the end until it is there. */
  #readHash() {
    this.#sought = this.#highlight();
    this.seek();
    if (this.#sought) this.#log.following = true;
  }

  /** Highlights the lines that the address links to, and returns the first one's number, or 0. */
  #highlight() {
    const [, from, to] = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash) ?? [];
    const range = /** @type {[number, number]} */ ([Number(from), Number(to ?? from)].sort((a, b) => a - b));
    this.#log.highlight(from ? range : null);
    return from ? range[0] : 0;
  }

  /** Goes to the line that the address links to, if it is there now. */
  seek() {
    const sought = this.#sought;
    if (!sought) return;
    const first = this.#log.rows.find((r) => r.n)?.n ?? 0;
    if (first > sought) notice(`Line ${number.format(sought)} is no longer kept: the first one is ${number.format(first)}.`);
    if (first > sought || this.#log.reveal(sought)) this.#sought = 0;
  }
}

/**
 * The line number that the mouse is on, or 0. A number is drawn by the style sheet: the mouse is on its line's left edge.
 * @param {MouseEvent} e
 */
function numberAt(e) {
  const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (e.target).closest('[data-n]'));
  const isOnNumber = row && e.clientX - row.getBoundingClientRect().left <= parseFloat(getComputedStyle(row, '::before').width);
  return isOnNumber ? Number(row.dataset.n) : 0;
}
