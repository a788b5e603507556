// @ts-check
/** @import { IBufferCell, IBufferLine, Terminal } from '@xterm/xterm' */

/** @typedef {{from: number, to: number}} Tab columns that a tab went over */

const WIDTH = 8; // of tabs, in the style sheet as well

/**
 * Calls a function after each tab with the columns that it went over. xterm.js has no event for
 * that, so its own handler is wrapped; without one, tabs are spaces.
 * @param {Terminal} terminal
 * @param {(tab: Tab) => void} callback
 */
export function onTab(terminal, callback) {
  const parser = /** @type {any} */ (terminal)._core?._inputHandler?._parser;
  const handler = parser?._executeHandlers?.['\t'.charCodeAt(0)];
  if (!handler) return;
  parser.setExecuteHandler('\t', () => {
    const from = terminal.buffer.active.cursorX;
    handler();
    callback({ from, to: terminal.buffer.active.cursorX });
    return true;
  });
}

/**
 * The tabs that nothing was written over, in order.
 * @param {Map<number, Tab> | undefined} tabs by the column where each begins
 * @param {IBufferLine} row
 * @param {IBufferCell} into
 */
export function visibleTabs(tabs, row, into) {
  if (!tabs) return [];
  return [...tabs.values()].sort((a, b) => a.from - b.from).filter(({ from, to }) => {
    for (let x = from; x < to; x++) {
      const cell = row.getCell(x, into);
      if (!cell || cell.getCode() !== 0 || cell.getWidth() !== 1 || !cell.isAttributeDefault()) return false;
    }
    return from < to;
  });
}

/**
 * Reports whether the browser gives a tab the width that it has in the terminal, which may have
 * other tab stops.
 * @param {Tab} tab
 * @param {number} before columns of the line in rows before
 */
export const isUsual = ({ from, to }, before) => to - from === WIDTH - (before + from) % WIDTH;
