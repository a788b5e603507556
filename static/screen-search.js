// @ts-check
/** @import { IBufferCell, IMarker, Terminal } from '@xterm/xterm' */
import { matches } from './filter.js';

// Marking costs more than finding, and no one looks at more hits than this.
const MAX_MARKED = 1000;

/**
 * @typedef {{y: number, x: number, width: number}} Span columns of a row of the buffer
 * @typedef {{marker: IMarker, x: number, width: number, current: boolean}} Mark a span with its colours
 * @typedef {{hit: string, current: string, text: string, ground: string}} Colours as #rrggbb
 */

/** Finds text on a terminal's screen, and marks the hits with the colours of their cells. */
export class ScreenSearch {
  #terminal;
  /** @type {IBufferCell} */
  #cell;
  /** @type {Colours} */
  #colours = { hit: '#ffff00', current: '#0000ff', text: '#000000', ground: '#ffffff' };
  /** @type {Span[][]} the spans of each hit, from the top */
  #hits = [];
  /** @type {Mark[]} */
  #marks = [];
  /** @type {Span | undefined} the first span of the hit that was last gone to */
  #at;
  /** Called when the screen shows something else. */
  changed = () => {};

  /** @param {Terminal} terminal */
  constructor(terminal) {
    this.#terminal = terminal;
    this.#cell = terminal.buffer.active.getNullCell();
    terminal.onRender(() => this.changed());
  }

  /** @param {Colours} colours of the marks */
  set colours(colours) {
    this.#colours = colours;
    this.#unmark();
    this.changed();
  }

  /** The number of the hit that was last gone to, from 1; 0 if there is none. */
  get current() {
    return this.#hits.findIndex(([first]) => first.y === this.#at?.y && first.x === this.#at.x) + 1;
  }

  /**
   * Marks what an expression finds on the screen, and returns how many hits there are.
   * @param {RegExp | null} expression with the flag g; null for nothing
   */
  search(expression) {
    if (!expression) this.#at = undefined;
    this.#hits = expression ? this.#lines().flatMap((line) => matches(line.text, expression).map((m) => spans(line.cells.slice(...m)))) : [];
    const current = this.current - 1;
    const wanted = this.#hits.slice(0, MAX_MARKED).flatMap((hit, i) => hit.map((span) => ({ ...span, current: i === current })));
    // A mark makes the terminal render, and rendering calls changed: only what differs is marked.
    const same = wanted.length === this.#marks.length && wanted.every((w, i) => {
      const { marker, x, width, current } = this.#marks[i];
      return marker.line === w.y && x === w.x && width === w.width && current === w.current;
    });
    if (!same) {
      this.#unmark();
      this.#marks = wanted.map((w) => this.#mark(w));
    }
    return this.#hits.length;
  }

  /** Goes to the next hit of the last search, or the previous one. @param {1 | -1} by */
  step(by) {
    const all = this.#hits.length;
    const at = this.current - 1;
    this.#at = this.#hits[at < 0 ? (by > 0 ? 0 : all - 1) : (at + by + all) % all]?.[0];
  }

  /**
   * The lines on the screen, and for each of their characters the cell that shows it.
   * @returns {{text: string, cells: Span[]}[]}
   */
  #lines() {
    const buffer = this.#terminal.buffer.active;
    const lines = [];
    let line = { text: '', cells: /** @type {Span[]} */ ([]) };
    for (let y = buffer.viewportY; y < buffer.viewportY + this.#terminal.rows; y++) {
      const row = buffer.getLine(y);
      if (!row) break;
      if (!row.isWrapped || !lines.length) lines.push(line = { text: '', cells: [] });
      for (let x = 0; x < row.length; x++) {
        const width = row.getCell(x, this.#cell)?.getWidth() ?? 0;
        if (!width) continue; // the second half of a wide character
        const chars = this.#cell.getChars() || ' ';
        line.text += chars;
        for (let i = 0; i < chars.length; i++) line.cells.push({ y, x, width });
      }
    }
    return lines.map(({ text, cells }) => ({ text: text.trimEnd(), cells }));
  }

  /**
   * @param {Span & {current: boolean}} span
   * @returns {Mark}
   */
  #mark({ y, x, width, current }) {
    const buffer = this.#terminal.buffer.active;
    const marker = this.#terminal.registerMarker(y - buffer.baseY - buffer.cursorY);
    const { hit, current: strong, text, ground } = this.#colours;
    this.#terminal.registerDecoration({ marker, x, width, backgroundColor: current ? strong : hit, foregroundColor: current ? ground : text });
    return { marker, x, width, current };
  }

  #unmark() {
    for (const { marker } of this.#marks) marker.dispose(); // and its decoration
    this.#marks = [];
  }
}

/**
 * The spans of consecutive cells, one for each row.
 * @param {Span[]} cells
 */
function spans(cells) {
  /** @type {Span[]} */
  const found = [];
  for (const { y, x, width } of cells) {
    const last = found.at(-1);
    if (last?.y === y) last.width = x + width - last.x;
    else found.push({ y, x, width });
  }
  return found;
}
