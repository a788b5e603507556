// @ts-check
/** @import { LogView, Row } from './log.js' */
import { $ } from './dom.js';

/**
 * Moves the reader from line to line. The line moved to is the log's cursor, and has the
 * focus, so that screen readers read it.
 */
export class LineCursor {
  #log;

  /** @param {LogView} log */
  constructor(log) {
    this.#log = log;
  }

  /**
   * Moves to the next visible line or the previous one; at first, and after scrolling
   * away, to the first line in view or the last one.
   * @param {1 | -1} by
   */
  move(by) {
    const log = this.#log;
    const { cursor } = log;
    if (!cursor || !log.isInView(cursor)) return this.#moveTo(by > 0 ? log.top : log.bottom);
    let at = log.rows.indexOf(cursor) + by;
    while (log.rows[at]?.filtered) at += by;
    this.#moveTo(log.rows[at]);
  }

  /** Leaves the line, so that the log as a whole has the focus again. */
  leave() {
    const { cursor } = this.#log;
    if (!cursor) return;
    this.#log.cursor = undefined;
    if (cursor.element === document.activeElement) $('log').focus({ preventScroll: true });
    unmark(cursor);
  }

  /** @param {Row | undefined} row */
  #moveTo(row) {
    const { cursor } = this.#log;
    if (!row || row === cursor) return;
    this.#log.cursor = row;
    this.#log.goTo(row, 'nearest');
    row.element.classList.add('cursor');
    row.element.tabIndex = -1;
    row.element.focus({ preventScroll: true });
    if (cursor) unmark(cursor);
  }
}

/** @param {Row} row */
function unmark({ element }) {
  element.classList.remove('cursor');
  element.removeAttribute('tabindex');
}
