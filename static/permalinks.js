// @ts-check
/** @import { LogView } from './log.js' */
import { $, notice, number } from './dom.js';

/** Links to lines: #L123, or #L10-L20. */
export class Permalinks {
  #log;
  #sought = 0; // a line that is yet to come

  /** @param {LogView} log */
  constructor(log) {
    this.#log = log;
    addEventListener('hashchange', () => this.#seek());
    // A number is drawn before its line: a click on it is one on the line's left edge.
    $('log').addEventListener('click', (e) => {
      const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (e.target).closest('[data-n]'));
      if (!row || e.clientX - row.getBoundingClientRect().left > parseFloat(getComputedStyle(row, '::before').width)) return;
      const n = Number(row.dataset.n);
      const first = Number(/^#L(\d+)/.exec(location.hash)?.[1] ?? n);
      history.replaceState(null, '', e.shiftKey && first !== n ? `#L${Math.min(first, n)}-L${Math.max(first, n)}` : `#L${n}`);
      this.#seek();
    });
    this.#seek();
  }

  /** Makes one to the current hit, or the first line in view. */
  make() {
    const row = this.#log.rows.find((r) => r.element.classList.contains('current')) ?? this.#log.top;
    if (!row?.n) return;
    history.replaceState(null, '', `#L${row.n}`);
    this.#seek();
  }

  #seek() {
    const [, from, to] = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash) ?? [];
    const range = /** @type {[number, number]} */ ([Number(from), Number(to ?? from)].sort((a, b) => a - b));
    this.#log.highlight(from ? range : null);
    this.#sought = from ? range[0] : 0;
    this.look();
  }

  /** Goes to the line sought, once it is there. */
  look() {
    const sought = this.#sought;
    if (!sought) return;
    const first = this.#log.rows.find((r) => r.n)?.n ?? 0;
    if (first > sought) notice(`Line ${number.format(sought)} is no longer kept: the first one is ${number.format(first)}.`);
    if (first > sought || this.#log.reveal(sought)) this.#sought = 0;
  }
}
